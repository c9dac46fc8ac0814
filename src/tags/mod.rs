//! Tags from the commit, and what an image says of itself: the rules of docker/metadata-action for a pipeline's run.
//!
//! Rule: pure. A run is a value, its time included, and the same run gives the same tags.

mod apply;
mod attributes;
mod date;
mod expression;
mod flavor;
pub mod oci;
mod rule;
mod run;
mod version;

use anyhow::Context as _;

use self::expression::Template;
use self::flavor::{Affix, Flavor};
use self::rule::Rule;
use crate::error::hinted;
use crate::registry::reference::Tag;

pub use self::run::Run;

/// The inputs `tags` and `flavor`.
#[derive(Debug)]
pub struct Rules {
    /// Those of the highest priority first.
    rules: Vec<Rule>,
    flavor: Flavor,
}

/// What the rules say of one run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tagging {
    /// The tags, each once; the first one is the image's version.
    pub tags: Vec<Tag>,
    /// What the user should look at.
    pub warnings: Vec<String>,
}

impl Rules {
    /// Parses the inputs.
    pub fn parse(tags: &str, flavor: &str) -> anyhow::Result<Self> {
        Ok(Self { rules: rule::parse(tags)?, flavor: Flavor::parse(flavor)? })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The tags of a run.
    pub fn apply(&self, run: &Run) -> anyhow::Result<Tagging> {
        let mut tagging = Tagging::default();
        let mut latest = None;
        for rule in &self.rules {
            let text = &rule.text;
            let given = self
                .tag(rule, run, &mut tagging.warnings)
                .with_context(|| format!("rule `{text}` in `tags` gives no image tag"))?;
            let Some((tag, with_latest)) = given else { continue };
            latest.get_or_insert(with_latest);
            tagging.add(tag);
        }
        if latest.is_some_and(|by_rule| self.flavor.latest.unwrap_or(by_rule)) {
            tagging.add(self.latest(run)?);
        }
        Ok(tagging)
    }

    /// The tag of a rule, and whether `latest` goes with it; `None` if the rule is not for this run.
    fn tag(&self, rule: &Rule, run: &Run, warnings: &mut Vec<String>) -> anyhow::Result<Option<(Tag, bool)>> {
        if !is_enabled(rule, run)? {
            return Ok(None);
        }
        let Some(given) = rule.kind.give(run, warnings)? else { return Ok(None) };
        let prefix = render(rule.prefix.as_ref().unwrap_or(&self.flavor.prefix.text), run)?;
        let suffix = render(rule.suffix.as_ref().unwrap_or(&self.flavor.suffix.text), run)?;
        let text = format!("{prefix}{}{suffix}", given.text);
        if text.is_empty() {
            return Ok(None);
        }
        Ok(Some((sanitised(&text)?, given.latest)))
    }

    fn latest(&self, run: &Run) -> anyhow::Result<Tag> {
        let affix =
            |affix: &Affix| if affix.on_latest { render(&affix.text, run) } else { Ok(String::new()) };
        let text = format!("{}latest{}", affix(&self.flavor.prefix)?, affix(&self.flavor.suffix)?);
        sanitised(&text)
    }
}

impl Tagging {
    fn add(&mut self, tag: Tag) {
        if !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
    }
}

/// The lines of an input that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn render(template: &Template, run: &Run) -> anyhow::Result<String> {
    template.render(|expression| run.value(expression))
}

/// Azure Pipelines writes its booleans `True` and `False`.
fn is_enabled(rule: &Rule, run: &Run) -> anyhow::Result<bool> {
    let text = render(&rule.enable, run)?;
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(hinted(
            format!("`enable` is `{text}`"),
            "it has to come to `true` or `false`, e.g. `enable={{is_default_branch}}` or \
             `enable=${{ eq(variables['Build.SourceBranch'], 'refs/heads/main') }}`",
        )),
    }
}

/// The tag in which every run of characters that no tag can have is one `-`. How it begins and how long it is are not
/// mended: docker/metadata-action leaves both to the registry.
fn sanitised(text: &str) -> anyhow::Result<Tag> {
    let mut tag = String::new();
    let mut replaced = false;
    for c in text.chars() {
        let allowed = c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if allowed {
            tag.push(c);
        } else if !replaced {
            tag.push('-');
        }
        replaced = !allowed;
    }
    let hint = if tag.starts_with(['.', '-']) {
        "a tag begins with a letter, a digit or `_`: put one before it, e.g. by `prefix=v`"
    } else {
        "a tag has at most 128 characters: use a shorter text, e.g. `type=sha`"
    };
    Tag::parse(&tag).map_err(|_| hinted(format!("`{tag}` is none"), hint))
}

#[cfg(test)]
mod examples;
