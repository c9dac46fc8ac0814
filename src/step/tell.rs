//! Tells what came of the run: output variables and the summary.

use anyhow::Context as _;

use super::Step;
use crate::agent::env::Env;
use crate::agent::logging::LoggingCommand;
use crate::console::Console;
use crate::private;
use crate::report::summary::Report;

impl Step<'_> {
    /// Sets the output variables.
    pub(super) fn tell(&self, report: &Report) {
        let references = report.references.join(",");
        let outputs = [
            ("imageDigest", report.digest.as_deref()),
            ("imageId", report.image_id.as_deref()),
            ("imageReferences", Some(references.as_str()).filter(|text| !text.is_empty())),
        ];
        for (name, value) in outputs {
            if let Some(value) = value {
                self.console.line(&format!("{name}: {value}"));
                self.console.command(LoggingCommand::SetOutput(name, value));
            }
        }
    }
}

/// Writes the summary into the agent's temp folder, where it has to stay: the agent uploads it later and empties that
/// folder itself.
pub(super) fn upload_summary(env: &Env, console: &Console, report: &Report) -> anyhow::Result<()> {
    let name = format!("DockerBuildWithFeeds-{}-{:08x}.md", std::process::id(), fastrand::u32(..));
    let path = private::temp_folder(env).join(name);
    std::fs::write(&path, console.redact(&report.markdown()))
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    console.command(LoggingCommand::UploadSummary(&path.display().to_string()));
    Ok(())
}
