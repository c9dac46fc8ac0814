//! What one rule gives for a run, before prefix and suffix.

use regex_lite::Regex;

use super::expression::Template;
use super::render;
use super::rule::{Event, Kind};
use super::run::{Run, Source};
use super::version::{Scheme, Version};

/// What a rule gives.
pub(super) struct Given {
    pub(super) text: String,
    /// Whether `latest` goes with it.
    pub(super) latest: bool,
}

impl Kind {
    /// What the rule gives for a run; `None` if it is for other runs.
    pub(super) fn give(&self, run: &Run, warnings: &mut Vec<String>) -> anyhow::Result<Option<Given>> {
        let given = |text: String, latest| Ok(Some(Given { text, latest }));
        match (self, run.source()) {
            (Self::Schedule { pattern }, _) if run.is_scheduled() => given(render(pattern, run)?, false),
            (Self::Ref(Event::Branch), Source::Branch(name))
            | (Self::Ref(Event::PullRequest), Source::PullRequest(name)) => given(name.clone(), false),
            (Self::Ref(Event::Tag), Source::Tag(name)) => given(name.clone(), true),
            (Self::Schedule { .. } | Self::Ref(_), _) => Ok(None),
            (Self::Edge { branch }, source) => {
                let edge = branch.as_deref().map_or_else(|| run.default_branch(), Ok)?;
                match source {
                    Source::Branch(name) if name == edge => given("edge".to_owned(), false),
                    _ => Ok(None),
                }
            }
            (Self::Raw { value }, _) => given(render(value, run)?, false),
            (Self::Sha { .. }, _) if run.commit().is_empty() => Ok(None),
            (Self::Sha { long: true }, _) => given(run.commit().to_owned(), false),
            (Self::Sha { long: false }, _) => given(run.short_commit().to_owned(), false),
            (Self::Version { scheme, pattern, value, part }, _) => {
                let Some(found) = found(value.as_ref(), run)? else { return Ok(None) };
                version(found, *scheme, pattern, part.as_ref(), warnings)
            }
            (Self::Match { pattern, group, value }, _) => {
                let Some(found) = found(value.as_ref(), run)? else { return Ok(None) };
                match capture(pattern, *group, &found) {
                    Ok(text) => given(text.to_owned(), true),
                    Err(warning) => {
                        warn(warnings, warning);
                        Ok(None)
                    }
                }
            }
        }
    }
}

/// The text that a rule looks into: its own value, else the git tag.
fn found(value: Option<&Template>, run: &Run) -> anyhow::Result<Option<String>> {
    match (value, run.source()) {
        (Some(value), _) => render(value, run).map(Some),
        (None, Source::Tag(name)) => Ok(Some(name.clone())),
        (None, _) => Ok(None),
    }
}

/// The pattern filled with the parts of a version; one that is not final gives itself, for its parts would move with
/// every test release.
fn version(
    mut found: String,
    scheme: Scheme,
    pattern: &Template,
    part: Option<&Regex>,
    warnings: &mut Vec<String>,
) -> anyhow::Result<Option<Given>> {
    if let Some(part) = part {
        match capture(part, 1, &found) {
            Ok(text) => found = text.to_owned(),
            Err(warning) => warn(warnings, warning),
        }
    }
    let Some(version) = Version::parse(&found.replace('/', "-"), scheme) else {
        let (grammar, place) = match scheme {
            Scheme::Semver => ("no semantic version", "https://semver.org"),
            Scheme::Pep440 => ("no version of Python's", "https://peps.python.org/pep-0440"),
        };
        warn(warnings, format!("`{found}` is {grammar} and gives no tag ({place})"));
        return Ok(None);
    };
    let text = if version.is_final || pattern.is_raw() {
        pattern.render(|expression| Ok(version.value(expression)))?
    } else {
        version.normal().to_owned()
    };
    Ok(Some(Given { text, latest: version.is_final }))
}

/// What a group takes of a text, or what to tell.
fn capture<'t>(pattern: &Regex, group: usize, text: &'t str) -> Result<&'t str, String> {
    let captures = pattern
        .captures(text)
        .ok_or_else(|| format!("`{}` in `tags` does not match `{text}`", pattern.as_str()))?;
    let group_text = captures.get(group).map(|found| found.as_str());
    group_text
        .ok_or_else(|| format!("group {group} of `{}` in `tags` takes nothing of `{text}`", pattern.as_str()))
}

fn warn(warnings: &mut Vec<String>, text: String) {
    if !warnings.contains(&text) {
        warnings.push(text);
    }
}
