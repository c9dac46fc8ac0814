//! The Markdown summary of a step. Pure.
//!
//! Rule: whatever comes from outside goes through [`Markdown`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::markdown::Markdown;
use super::{arguments, failure, issues, steps};
use crate::agent::logging::neutralise;
use crate::buildx::image_details::ImageDetails;
use crate::buildx::makeup::Makeup;
use crate::buildx::metadata::Metadata;
use crate::buildx::progress::{BuildLog, CheckWarning, size};
use crate::plan::BuildPlan;

/// What a step did, as far as it came.
#[derive(Debug, Default)]
pub struct Report {
    /// The references under which the image is in the registry, or in the engine's store if it was not pushed.
    pub references: Vec<String>,
    /// The tags of these references.
    pub tags: Vec<String>,
    /// The registry's manifest digest, or the store's.
    pub digest: Option<String>,
    /// The digest of each platform's manifest.
    pub digests: BTreeMap<String, String>,
    /// The digest of the image's config.
    pub image_id: Option<String>,
    /// Whether the image was pushed.
    pub pushed: bool,
    /// What buildx wrote about the image.
    pub metadata: Option<Metadata>,
    /// buildx's metadata file, kept for later steps.
    pub metadata_file: Option<PathBuf>,
    /// What was said during the build and the push, kept for later steps.
    pub transcripts: Vec<PathBuf>,
    /// What the engine says of the image.
    pub details: Option<ImageDetails>,
    /// What the image is made of, for each platform.
    pub makeup: Vec<Makeup>,
    /// The feeds that were used.
    pub feeds: Vec<String>,
    /// Which tokens opened them.
    pub tokens: Vec<&'static str>,
    /// The ids of the secrets that were fed.
    pub secrets: Vec<String>,
    /// The stages and how long each took.
    pub stages: Vec<(&'static str, Duration)>,
    /// The Dockerfile.
    pub dockerfile: Option<PathBuf>,
    /// `NAME=VALUE` and `NAME` arguments of the build.
    pub build_args: Vec<String>,
    /// `call`, which asks for something else than an image.
    pub call: Option<String>,
    /// The build.
    pub build: Option<BuildLog>,
    /// The ids of the engine's records of the build.
    pub records: Vec<String>,
    /// The file in the artifact, if a record was uploaded.
    pub record: Option<String>,
    /// What the check of the image did, one text a line.
    pub guard: Option<Vec<String>>,
    /// What the user was told.
    pub notices: Vec<String>,
    /// Why the step failed.
    pub error: Option<String>,
}

impl Report {
    /// Takes down what is going to be built.
    pub fn begin(&mut self, plan: &BuildPlan) {
        self.dockerfile = Some(plan.dockerfile.clone());
        self.build_args.clone_from(&plan.options.build_args);
        self.call.clone_from(&plan.options.call);
    }

    /// The report as Markdown. `redact` takes our secrets out of text; no other writer of it has to.
    #[must_use]
    pub fn markdown(&self, redact: &dyn Fn(&str) -> String) -> String {
        let markdown = Markdown::new(redact);
        let sections = [
            format!("### {}\n", self.title()),
            self.failure(markdown),
            self.pull(markdown),
            self.facts(markdown),
            self.build.as_ref().map_or_else(String::new, |log| steps::stages(markdown, log)),
            self.build.as_ref().map_or_else(String::new, |log| steps::slowest(markdown, log)),
            arguments::table(markdown, &self.build_args),
            list("Check of the image", self.guard.iter().flatten().map(|text| markdown.prose(text))),
            list("Checks of the Dockerfile", self.checks().map(|finding| check(markdown, finding))),
            list("Notices", self.notices.iter().map(|notice| markdown.prose(notice))),
        ];
        let sections: Vec<String> = sections.into_iter().filter(|section| !section.is_empty()).collect();
        neutralise(&sections.join("\n")).into_owned()
    }

    /// Where in the Dockerfile the build failed: the file and the line, from 1 on.
    #[must_use]
    pub fn failed_line(&self) -> Option<(PathBuf, usize)> {
        let location = self.build.as_ref()?.failure.as_ref()?.location.as_ref()?;
        let dockerfile = self.dockerfile.clone()?;
        let line = issues::line(location, &dockerfile)?;
        Some((dockerfile, line))
    }

    fn title(&self) -> &'static str {
        match (&self.error, &self.call) {
            (Some(_), None) => "Build failed",
            (Some(_), Some(_)) => "Dockerfile refused",
            (None, Some(_)) => "Dockerfile examined",
            (None, None) if self.pushed => "Image built and pushed",
            (None, None) => "Image built",
        }
    }

    fn failure(&self, markdown: Markdown<'_>) -> String {
        let Some(error) = &self.error else { return String::new() };
        let failed = self.build.as_ref().and_then(|log| log.failure.as_ref());
        let step = failed.map_or_else(String::new, |failed| {
            failure::summary(markdown, failed, self.dockerfile.as_deref())
        });
        let separator = if step.is_empty() { "" } else { "\n" };
        format!("{}{separator}{step}", markdown.block(error))
    }

    /// How to get exactly this image.
    fn pull(&self, markdown: Markdown<'_>) -> String {
        let (true, Some(reference), Some(digest)) = (self.pushed, self.references.first(), &self.digest)
        else {
            return String::new();
        };
        // A tag has no slash, a registry's port has one behind it.
        let tag = reference.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
        let repository = tag.map_or(reference.as_str(), |(repository, _)| repository);
        markdown.block(&format!("docker pull {repository}@{digest}"))
    }

    fn facts(&self, markdown: Markdown<'_>) -> String {
        let mut rows: Vec<(&str, String)> = Vec::new();
        let mut row = |name, values: &[String]| {
            if !values.is_empty() {
                let values: Vec<String> = values.iter().map(|value| markdown.code(value)).collect();
                rows.push((name, values.join("<br>")));
            }
        };
        row("Image", &self.references);
        row("Digest", self.digest.as_slice());
        row("Image id", self.image_id.as_slice());
        row("Feeds", &self.feeds);
        row("Opened by", &self.tokens.iter().map(ToString::to_string).collect::<Vec<_>>());
        row("Secret ids", &self.secrets);
        row("Build record", self.record.as_slice());
        if self.image_id.is_some() && self.digest.is_none() {
            rows.push(("Digest", "none before a push: the engine's store keeps no manifests".to_owned()));
        }
        let makeup = self.makeup.iter().map(|makeup| {
            let size = format!("{} in {} layers", size(makeup.size), makeup.layers);
            format!("{} {size}", markdown.code(&makeup.platform)).trim_start().to_owned()
        });
        let makeup = makeup.collect::<Vec<_>>().join("<br>");
        if !makeup.is_empty() {
            rows.push(("Size", makeup));
        }
        rows.extend(self.stages.iter().map(|(name, duration)| (*name, steps::seconds(*duration))));
        if rows.is_empty() {
            return String::new();
        }
        let rows: Vec<String> = rows.iter().map(|(name, value)| format!("| {name} | {value} |\n")).collect();
        format!("| | |\n|---|---|\n{}", rows.concat())
    }

    fn checks(&self) -> impl Iterator<Item = &CheckWarning> {
        self.build.iter().flat_map(|log| &log.warnings)
    }
}

/// A finding of a Dockerfile check.
fn check(markdown: Markdown<'_>, finding: &CheckWarning) -> String {
    let location = finding.location.as_ref();
    let place = location.map(|location| markdown.code(&format!("{}:{}", location.file, location.first)));
    let rule = finding.rule.as_ref().map(|rule| markdown.text(rule));
    let head: Vec<String> = place.into_iter().chain(rule).collect();
    let separator = if head.is_empty() { "" } else { ": " };
    format!("{}{separator}{}", head.join(" "), markdown.text(&finding.message))
}

/// A list under a name; empty without items.
fn list(name: &str, items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.map(|item| format!("- {item}\n")).collect();
    if items.is_empty() { String::new() } else { format!("**{name}**\n\n{}", items.concat()) }
}

#[cfg(test)]
mod tests;
