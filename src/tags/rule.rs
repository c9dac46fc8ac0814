//! The lines of the input `tags`.
//!
//! Rule: a line with a `type=` among its fields is one rule, a record of comma-separated values; any other line is plain
//! tags with commas between, each as good as `type=raw,value=TAG`. Blank lines, and those that begin with `#`, are none.

use anyhow::Context as _;
use regex_lite::{Regex, RegexBuilder};

use super::attributes::Attributes;
use super::expression::{Scope, Template};
use super::version::Scheme;
use crate::csv;
use crate::error::{hint_context, hinted};
use crate::registry::reference::Tag;

/// A rule: what may give one tag.
#[derive(Debug)]
pub(super) struct Rule {
    /// As it was written.
    pub(super) text: String,
    pub(super) kind: Kind,
    pub(super) enable: Template,
    /// Higher ones first.
    pub(super) priority: i64,
    /// `None` is that of the flavor.
    pub(super) prefix: Option<Template>,
    /// `None` is that of the flavor.
    pub(super) suffix: Option<Template>,
}

/// What a rule makes a tag of.
#[derive(Debug)]
pub(super) enum Kind {
    /// A scheduled run.
    Schedule { pattern: Template },
    /// A version in the git tag or in `value`, or in what `part` takes of it.
    Version { scheme: Scheme, pattern: Template, value: Option<Template>, part: Option<Regex> },
    /// What `pattern` takes of the git tag or of `value`.
    Match { pattern: Regex, group: usize, value: Option<Template> },
    /// A branch; `None` is the default one.
    Edge { branch: Option<String> },
    /// A name of the commit.
    Ref(Event),
    /// A text.
    Raw { value: Template },
    /// The commit's id.
    Sha { long: bool },
}

/// The kind of ref that a `type=ref` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Branch,
    Tag,
    PullRequest,
}

/// The rules and plain tags of the input, those of the highest priority first.
pub(super) fn parse(text: &str) -> anyhow::Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for line in super::lines(text) {
        if is_rule(line) {
            let wrong = || format!("rule `{line}` in `tags` cannot be used");
            rules.push(Rule::parse(line).with_context(wrong)?);
        } else {
            for tag in line.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
                rules.push(Rule::plain(tag)?);
            }
        }
    }
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.priority));
    Ok(rules)
}

fn is_rule(line: &str) -> bool {
    let has_type = |field: &String| {
        field.split_once('=').is_some_and(|(key, _)| key.trim().eq_ignore_ascii_case("type"))
    };
    csv::fields(line).iter().any(has_type)
}

impl Rule {
    /// A plain tag, which has to be one as it stands.
    fn plain(tag: &str) -> anyhow::Result<Self> {
        if tag.contains('=') || tag.contains("{{") {
            return Err(hinted(
                format!("`{tag}` in `tags` is no image tag"),
                "a rule has its type in it, e.g. `type=raw,value={{branch}}-{{sha}}`",
            ));
        }
        let value = Template::parse(Tag::parse(tag)?.as_str(), Scope::Run)?;
        Ok(Self {
            text: tag.to_owned(),
            kind: Kind::Raw { value },
            enable: Template::parse("true", Scope::Run)?,
            priority: priority("raw"),
            prefix: None,
            suffix: None,
        })
    }

    fn parse(line: &str) -> anyhow::Result<Self> {
        let mut attributes = Attributes::parse(line)?;
        let template = |text: Option<String>| text.map(|text| Template::parse(&text, Scope::Run)).transpose();
        let kind_name = attributes.kind.clone();
        let kind = Kind::parse(&mut attributes)?;
        let enable = attributes.take("enable").unwrap_or_else(|| "true".to_owned());
        let priority = match attributes.take("priority") {
            None => priority(&kind_name),
            Some(text) => text.parse().with_context(|| {
                hint_context(format!("`priority={text}` is no number"), "write e.g. `priority=900`")
            })?,
        };
        let default_prefix = match kind {
            Kind::Ref(Event::PullRequest) => Some("pr-"),
            Kind::Sha { .. } => Some("sha-"),
            _ => None,
        };
        let prefix = attributes.take("prefix").or_else(|| default_prefix.map(str::to_owned));
        let suffix = attributes.take("suffix");
        attributes.finish()?;
        Ok(Self {
            text: line.to_owned(),
            kind,
            enable: Template::parse(&enable, Scope::Run)?,
            priority,
            prefix: template(prefix)?,
            suffix: template(suffix)?,
        })
    }
}

impl Kind {
    fn parse(attributes: &mut Attributes) -> anyhow::Result<Self> {
        Ok(match attributes.kind.clone().as_str() {
            "schedule" => {
                let pattern = attributes.take("pattern").unwrap_or_else(|| "nightly".to_owned());
                Self::Schedule { pattern: Template::parse(&pattern, Scope::Schedule)? }
            }
            kind @ ("semver" | "pep440") => Self::Version {
                scheme: if kind == "semver" { Scheme::Semver } else { Scheme::Pep440 },
                pattern: Template::parse(&attributes.need("pattern", "{{version}}")?, Scope::Version)?,
                value: attributes.value()?,
                part: attributes
                    .take("match")
                    .filter(|part| !part.is_empty())
                    .map(|part| group(&part))
                    .transpose()?,
            },
            "match" => Self::Match {
                pattern: regex("pattern", &attributes.need("pattern", r"\d.\d.\d")?)?,
                group: match attributes.take("group") {
                    None => 0,
                    Some(text) => text.parse().with_context(|| {
                        hint_context(
                            format!("`group={text}` is no group"),
                            "write its number, e.g. `group=1`",
                        )
                    })?,
                },
                value: attributes.value()?,
            },
            "edge" => Self::Edge { branch: attributes.take("branch").filter(|branch| !branch.is_empty()) },
            "ref" => Self::Ref(match attributes.need("event", "branch")?.as_str() {
                "branch" => Event::Branch,
                "tag" => Event::Tag,
                "pr" => Event::PullRequest,
                other => {
                    return Err(hinted(
                        format!("`event={other}` is not known"),
                        "write `event=branch`, `event=tag` or `event=pr`",
                    ));
                }
            }),
            "raw" => {
                Self::Raw { value: Template::parse(&attributes.need("value", "{{branch}}")?, Scope::Run)? }
            }
            "sha" => Self::Sha {
                long: match attributes.take("format").as_deref() {
                    None | Some("short") => false,
                    Some("long") => true,
                    Some(other) => {
                        return Err(hinted(
                            format!("`format={other}` is not known"),
                            "write `format=short` or `format=long`",
                        ));
                    }
                },
            },
            other => {
                return Err(hinted(
                    format!("`type={other}` is not known"),
                    "write `type=` and one of `schedule`, `semver`, `pep440`, `match`, `edge`, `ref`, `raw` and `sha`",
                ));
            }
        })
    }
}

/// The default priority of a type.
fn priority(kind: &str) -> i64 {
    match kind {
        "schedule" => 1000,
        "semver" | "pep440" => 900,
        "match" => 800,
        "edge" => 700,
        "ref" => 600,
        "raw" => 200,
        _ => 100,
    }
}

/// A regular expression, or one between slashes with flags behind it, as in JavaScript.
fn regex(attribute: &str, text: &str) -> anyhow::Result<Regex> {
    let wrong = || {
        hint_context(
            format!("`{attribute}={text}` is no regular expression that this task knows"),
            format!(
                "there is no looking ahead or behind and no back-reference; a field that holds a comma stands in double \
                 quotes, e.g. `\"{attribute}=v(\\d{{1,3}})\"`"
            ),
        )
    };
    let literal = text
        .strip_prefix('/')
        .and_then(|inner| inner.rsplit_once('/'))
        .filter(|(inner, _)| !inner.is_empty());
    let (pattern, flags) = literal.unwrap_or((text, ""));
    // `g` and `u` change nothing where one match of such a text is asked for.
    if !flags.chars().all(|flag| "imsgu".contains(flag)) {
        return Err(anyhow::Error::new(wrong()));
    }
    RegexBuilder::new(pattern)
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .dot_matches_new_line(flags.contains('s'))
        .build()
        .with_context(wrong)
}

/// The regular expression of `match`, whose first group is the version.
fn group(text: &str) -> anyhow::Result<Regex> {
    let regex = regex("match", text)?;
    if regex.captures_len() < 2 {
        return Err(hinted(
            format!("`match={text}` has no group"),
            "put the version's part in parentheses, e.g. `match=v(\\d.\\d.\\d)$`",
        ));
    }
    Ok(regex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    #[test]
    fn errors_say_what_to_write() {
        let known = "`{{branch}}`, `{{tag}}`, `{{sha}}`, `{{base_ref}}`, `{{is_default_branch}}`, `{{is_not_default_branch}}`, \
                     `{{date 'YYYYMMDD'}}` or `{{commit_date 'YYYYMMDD'}}`";
        let cases = [
            ("type=branch", "`type=branch` is not known", "write `type=` and one of `schedule`, `semver`, `pep440`, `match`, `edge`, `ref`, `raw` and `sha`".to_owned()),
            ("type=ref", "it has no `event`", "write e.g. `type=ref,event=branch`".to_owned()),
            ("type=ref,event=push", "`event=push` is not known", "write `event=branch`, `event=tag` or `event=pr`".to_owned()),
            ("type=ref,event=tag,pattern=x", "`type=ref` has no attribute `pattern`", "its attributes are `event`, `enable`, `priority`, `prefix`, `suffix`".to_owned()),
            ("type=sha,short", "`type=sha` has no attribute `short`", "its attributes are `format`, `enable`, `priority`, `prefix`, `suffix`".to_owned()),
            ("type=sha,format=tiny", "`format=tiny` is not known", "write `format=short` or `format=long`".to_owned()),
            ("type=semver", "it has no `pattern`", "write e.g. `type=semver,pattern={{version}}`".to_owned()),
            ("type=raw", "it has no `value`", "write e.g. `type=raw,value={{branch}}`".to_owned()),
            ("type=raw,a,value=b", "it has two of `value`", "remove one; a field that holds a comma stands in double quotes, e.g. `\"pattern=\\d{1,3}\"`".to_owned()),
            ("type=raw,\"value=a", "a double quote is not closed", "put the whole field into double quotes, e.g. `\"pattern=\\d{1,3}\"`".to_owned()),
            ("type=raw,value={{brnch}}", "`{{brnch}}` is not known here", format!("write {known}")),
            ("type=raw,value={{branch", "`{{` is not closed in `{{branch`", "close it by `}}`; a field that holds a comma stands in double quotes, e.g. `\"pattern={{date 'D, MMMM'}}\"`".to_owned()),
            ("type=semver,pattern={{sha}}", "`{{sha}}` is not known here", "write `{{raw}}`, `{{version}}`, `{{major}}`, `{{minor}}` or `{{patch}}`".to_owned()),
            ("type=schedule,pattern={{branch}}", "`{{branch}}` is not known here", "write `{{date 'YYYYMMDD'}}` or `{{commit_date 'YYYYMMDD'}}`".to_owned()),
            ("type=raw,value={{date YYYY}}", "`{{date YYYY}}` is no date", "write the format and the zone in single quotes, e.g. `{{date 'YYYYMMDD' tz='Asia/Tokyo'}}`".to_owned()),
            ("type=raw,value={{date 'YYYY' tz='Tokyo'}}", "time zone `Tokyo` is not known", "write a name of the IANA time zone database, e.g. `tz='Asia/Tokyo'`".to_owned()),
            ("type=semver,pattern={{raw}},match=v.*", "`match=v.*` has no group", "put the version's part in parentheses, e.g. `match=v(\\d.\\d.\\d)$`".to_owned()),
        ];
        for (rule, cause, hint) in cases {
            let error = render(&parse(rule).expect_err(rule));
            let expected =
                format!("rule `{rule}` in `tags` cannot be used\n  caused by: {cause}\n\nhint: {hint}");
            assert_eq!(error, expected, "{rule}");
        }
        let more = [
            ("type=ref,event=pr,priority=high", "`priority=high` is no number"),
            ("type=match,pattern=v(,group=1", "`pattern=v(` is no regular expression that this task knows"),
            ("type=match,pattern=v(?=1)", "`pattern=v(?=1)` is no regular expression that this task knows"),
            ("type=match,pattern=/v/y", "`pattern=/v/y` is no regular expression that this task knows"),
            ("type=match,pattern=v,group=x", "`group=x` is no group"),
        ];
        for (rule, cause) in more {
            let error = render(&parse(rule).expect_err(rule));
            assert!(
                error.contains(&format!("\n  caused by: {cause}\n  caused by: ")) || error.contains(cause),
                "{error}"
            );
            assert!(error.contains("\n\nhint: "), "{error}");
        }
    }

    #[test]
    fn lines_are_rules_or_plain_tags() {
        let texts = |text: &str| {
            parse(text)
                .unwrap()
                .into_iter()
                .map(|rule| format!("{} {}", rule.priority, rule.text))
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(" 1.0 ,2\n\n# no\n3,"), ["200 1.0", "200 2", "200 3"]);
        assert_eq!(
            texts("a,b\nenable=true, Type = sha ,priority=-1\ntype=ref,event=tag"),
            ["600 type=ref,event=tag", "200 a", "200 b", "-1 enable=true, Type = sha ,priority=-1"]
        );
        for tag in ["value=x", "{{sha}}"] {
            assert_eq!(
                render(&parse(tag).unwrap_err()),
                format!(
                    "`{tag}` in `tags` is no image tag\n\nhint: a rule has its type in it, e.g. \
                     `type=raw,value={{{{branch}}}}-{{{{sha}}}}`"
                )
            );
        }
        assert_eq!(render(&parse("a/b").unwrap_err()), render(&Tag::parse("a/b").unwrap_err()));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed(
            text in "(?s).{0,60}",
            rule in "type=(raw|match|semver|sha|schedule),([a-z]{0,9}=)?[a-z{}'\"/() =,\\\\]{0,30}",
        ) {
            let _ = parse(&text);
            let _ = parse(&rule);
        }
    }
}
