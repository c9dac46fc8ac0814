//! The Markdown summary of a step. Pure; whoever writes it out redacts it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::buildx::metadata::Metadata;
use crate::buildx::progress::BuildLog;

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
    /// The feeds that were used.
    pub feeds: Vec<String>,
    /// Which tokens opened them.
    pub tokens: Vec<&'static str>,
    /// The ids of the secrets that were fed.
    pub secrets: Vec<String>,
    /// The stages and how long each took.
    pub stages: Vec<(&'static str, Duration)>,
    /// The build.
    pub build: Option<BuildLog>,
    /// What the user was told.
    pub notices: Vec<String>,
    /// Why the step failed.
    pub error: Option<String>,
}

impl Report {
    /// The report as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let title = match (&self.error, self.pushed) {
            (Some(_), _) => "Build failed",
            (None, true) => "Image built and pushed",
            (None, false) => "Image built",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "### {title}\n");
        if let Some(error) = &self.error {
            let _ = writeln!(text, "```\n{}\n```\n", error.replace("```", "` ` `"));
        }
        let _ = writeln!(text, "| | |\n|---|---|");
        let mut row = |name: &str, values: &[String]| {
            if !values.is_empty() {
                let values: Vec<String> = values.iter().map(|value| code(value)).collect();
                let _ = writeln!(text, "| {name} | {} |", values.join("<br>"));
            }
        };
        row("Image", &self.references);
        row("Digest", self.digest.as_slice());
        row("Image id", self.image_id.as_slice());
        row("Feeds", &self.feeds);
        row("Opened by", &self.tokens.iter().map(ToString::to_string).collect::<Vec<_>>());
        row("Secret ids", &self.secrets);
        if self.image_id.is_some() && self.digest.is_none() {
            let _ = writeln!(text, "| Digest | none before a push: the engine's store keeps no manifests |");
        }
        for (name, duration) in &self.stages {
            let _ = writeln!(text, "| {name} | {:.1} s |", duration.as_secs_f64());
        }
        for notice in &self.notices {
            let _ = writeln!(text, "\n> {}", plain(notice));
        }
        text
    }
}

/// A value in code font within a table.
fn code(value: &str) -> String {
    format!("`{}`", plain(value).replace('`', "'").replace('|', "\\|"))
}

/// One line without HTML.
fn plain(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_told_whole() {
        let report = Report {
            references: vec!["registry.example/app:1".into(), "registry.example/app:2".into()],
            digest: Some("sha256:d".into()),
            image_id: Some("sha256:i".into()),
            pushed: true,
            feeds: vec!["shared".into()],
            tokens: vec!["job access token"],
            secrets: vec!["PIP_EXTRA_URL".into()],
            stages: vec![("Feeds", Duration::from_millis(120)), ("Build", Duration::from_secs(61))],
            notices: vec!["a <b>".into()],
            ..Report::default()
        };
        assert_eq!(
            report.markdown(),
            "### Image built and pushed\n\n\
             | | |\n|---|---|\n\
             | Image | `registry.example/app:1`<br>`registry.example/app:2` |\n\
             | Digest | `sha256:d` |\n\
             | Image id | `sha256:i` |\n\
             | Feeds | `shared` |\n\
             | Opened by | `job access token` |\n\
             | Secret ids | `PIP_EXTRA_URL` |\n\
             | Feeds | 0.1 s |\n\
             | Build | 61.0 s |\n\
             \n> a &lt;b>\n"
        );
    }

    #[test]
    fn a_build_in_the_classic_store_says_that_it_has_no_digest() {
        let report = Report { image_id: Some("sha256:i".into()), ..Report::default() };
        assert!(report.markdown().contains("none before a push"));
    }

    #[test]
    fn a_failure_cannot_break_out_of_its_block() {
        let report = Report { error: Some("no feed\n```\n# injected".into()), ..Report::default() };
        assert_eq!(report.markdown().matches("```").count(), 2);
    }
}
