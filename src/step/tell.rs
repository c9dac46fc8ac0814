//! Tells what came of the run: output variables and the summary.

use std::path::PathBuf;

use anyhow::Context as _;

use super::Step;
use crate::agent::env::Env;
use crate::agent::logging::LoggingCommand;
use crate::buildx::metadata;
use crate::console::Console;
use crate::error;
use crate::private;
use crate::report::outputs::outputs;
use crate::report::summary::Report;

impl Step<'_> {
    /// Keeps the metadata file and sets the output variables.
    pub(super) fn tell(&self, report: &mut Report) {
        match self.keep_metadata(report) {
            Ok(path) => report.metadata_file = Some(path),
            Err(error) => self.console.warning(&error::render(&error.context("there is no `metadataFile`"))),
        }
        for (name, value) in outputs(report) {
            self.console.line(&format!("{name}: {value}"));
            self.console.command(LoggingCommand::SetOutput(name, &value));
        }
    }

    /// Writes buildx's metadata, with what was pushed, into the agent's temp folder, where later steps find it.
    fn keep_metadata(&self, report: &Report) -> anyhow::Result<PathBuf> {
        let (digest, id) = (report.digest.as_deref(), report.image_id.as_deref());
        let metadata = metadata::of_image(report.metadata.as_ref(), digest, id, &report.references);
        let text = format!("{metadata:#}\n");
        anyhow::ensure!(!self.console.redactor().leaks(text.as_bytes()), "a secret of this step is in it");
        keep(self.env, "json", &text)
    }
}

/// Writes the summary, which the agent uploads later.
pub(super) fn upload_summary(env: &Env, console: &Console, report: &Report) -> anyhow::Result<()> {
    let markdown = report.markdown(&|text| console.redact(text));
    let path = keep(env, "md", &console.redact(&markdown))?;
    console.command(LoggingCommand::UploadSummary(&path.display().to_string()));
    Ok(())
}

/// Writes a file into the agent's temp folder, where it has to stay: the agent empties that folder itself.
fn keep(env: &Env, extension: &str, text: &str) -> anyhow::Result<PathBuf> {
    let name = format!("DockerBuildWithFeeds-{}-{:08x}.{extension}", std::process::id(), fastrand::u32(..));
    let path = private::temp_folder(env).join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(path)
}
