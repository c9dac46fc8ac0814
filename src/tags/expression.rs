//! Texts with `{{expressions}}`: the part of Handlebars that tag rules need.
//!
//! Rule: a name that is not known is an error. Handlebars would put nothing in its place; it would also escape `&` and
//! `=` for HTML, which is for no tag.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::date;
use crate::error::hinted;

/// A text and the expressions in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Expression(Expression),
}

/// What stands between the braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    Branch,
    Tag,
    Sha,
    BaseRef,
    IsDefaultBranch,
    IsNotDefaultBranch,
    /// Now.
    Date(Format),
    /// When the commit was made.
    CommitDate(Format),
    /// The version as it was found.
    Raw,
    Version,
    Major,
    Minor,
    Patch,
}

/// How a date is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    pattern: String,
    zone: TimeZone,
}

/// Which names are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those of the run.
    Run,
    /// Dates only.
    Schedule,
    /// The parts of a version.
    Version,
}

impl Template {
    pub(super) fn parse(text: &str, scope: Scope) -> anyhow::Result<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (inner, after) = close(after).ok_or_else(|| unclosed(text))?;
            parts.push(Part::Expression(Expression::parse(inner.trim(), scope)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Whether it is `{{raw}}` and nothing else.
    pub(super) fn is_raw(&self) -> bool {
        self.0 == [Part::Expression(Expression::Raw)]
    }

    /// The text with each expression's value.
    pub(super) fn render(
        &self,
        value: impl Fn(&Expression) -> anyhow::Result<String>,
    ) -> anyhow::Result<String> {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => Ok(text.clone()),
                Part::Expression(expression) => value(expression),
            })
            .collect()
    }
}

/// What stands before the closing braces, of which there are three where three were opened, and what stands behind.
fn close(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('{') {
        Some(text) => text.split_once("}}}"),
        None => text.split_once("}}"),
    }
}

fn unclosed(text: &str) -> anyhow::Error {
    hinted(
        format!("`{{{{` is not closed in `{text}`"),
        "close it by `}}`; a field that holds a comma stands in double quotes, e.g. `\"pattern={{date 'D, MMMM'}}\"`",
    )
}

impl Expression {
    fn parse(inner: &str, scope: Scope) -> anyhow::Result<Self> {
        let (name, arguments) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
        let dated = |date: fn(Format) -> Self| Format::parse(inner, arguments.trim()).map(date);
        match (scope, name) {
            (Scope::Run | Scope::Schedule, "date") => dated(Self::Date),
            (Scope::Run | Scope::Schedule, "commit_date") => dated(Self::CommitDate),
            _ if !arguments.is_empty() => Err(unknown(inner, scope)),
            (Scope::Run, "branch") => Ok(Self::Branch),
            (Scope::Run, "tag") => Ok(Self::Tag),
            (Scope::Run, "sha") => Ok(Self::Sha),
            (Scope::Run, "base_ref") => Ok(Self::BaseRef),
            (Scope::Run, "is_default_branch") => Ok(Self::IsDefaultBranch),
            (Scope::Run, "is_not_default_branch") => Ok(Self::IsNotDefaultBranch),
            (Scope::Version, "raw") => Ok(Self::Raw),
            (Scope::Version, "version") => Ok(Self::Version),
            (Scope::Version, "major") => Ok(Self::Major),
            (Scope::Version, "minor") => Ok(Self::Minor),
            (Scope::Version, "patch") => Ok(Self::Patch),
            _ => Err(unknown(inner, scope)),
        }
    }
}

fn unknown(inner: &str, scope: Scope) -> anyhow::Error {
    let known = match scope {
        Scope::Run => {
            "`{{branch}}`, `{{tag}}`, `{{sha}}`, `{{base_ref}}`, `{{is_default_branch}}`, `{{is_not_default_branch}}`, \
             `{{date 'YYYYMMDD'}}` or `{{commit_date 'YYYYMMDD'}}`"
        }
        Scope::Schedule => "`{{date 'YYYYMMDD'}}` or `{{commit_date 'YYYYMMDD'}}`",
        Scope::Version => "`{{raw}}`, `{{version}}`, `{{major}}`, `{{minor}}` or `{{patch}}`",
    };
    hinted(format!("`{{{{{inner}}}}}` is not known here"), format!("write {known}"))
}

impl Format {
    /// `'PATTERN'` and perhaps `tz='ZONE'`.
    fn parse(inner: &str, arguments: &str) -> anyhow::Result<Self> {
        let wrong = || {
            hinted(
                format!("`{{{{{inner}}}}}` is no date"),
                "write the format and the zone in single quotes, e.g. `{{date 'YYYYMMDD' tz='Asia/Tokyo'}}`",
            )
        };
        let (pattern, rest) = quoted(arguments).ok_or_else(wrong)?;
        let zone = match rest.trim() {
            "" => TimeZone::UTC,
            rest => {
                let (name, end) = rest.strip_prefix("tz=").and_then(quoted).ok_or_else(wrong)?;
                if !end.trim().is_empty() {
                    return Err(wrong());
                }
                TimeZone::get(name).map_err(|_| {
                    hinted(
                        format!("time zone `{name}` is not known"),
                        "write a name of the IANA time zone database, e.g. `tz='Asia/Tokyo'`",
                    )
                })?
            }
        };
        Ok(Self { pattern: pattern.to_owned(), zone })
    }

    /// The date of `time`.
    pub(super) fn of(&self, time: Timestamp) -> String {
        date::format(time, &self.zone, &self.pattern)
    }
}

/// A text in quotes, and what stands behind it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}
