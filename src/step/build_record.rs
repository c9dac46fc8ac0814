//! Uploads the engine's record of the build as an artifact of the run.
//!
//! Rule: a record in which a secret is, or may be, is not uploaded. Whatever goes wrong here is a warning.

use anyhow::Context as _;

use super::Step;
use crate::agent::logging::LoggingCommand;
use crate::buildx::workshop::Workshop;
use crate::error;
use crate::private;
use crate::report::summary::Report;

/// The artifact that gets the records of all builds of a run.
const ARTIFACT: &str = "build-records";

impl Step<'_> {
    /// Does it if `buildRecord` asks for it.
    pub(super) async fn keep_record(&self, workshop: Option<&Workshop<'_>>, report: &mut Report) {
        let Some(workshop) = workshop.filter(|workshop| workshop.plan.build_record) else { return };
        match self.upload_record(workshop, report).await {
            Ok(file) => report.record = Some(file),
            Err(error) => {
                let text = error::render(&error.context("there is no record of the build to download"));
                self.console.warning(&text);
                report.notices.push(text);
            }
        }
    }

    /// Returns the name of the file in the artifact.
    async fn upload_record(&self, workshop: &Workshop<'_>, report: &Report) -> anyhow::Result<String> {
        let host = self.env.variable("System.HostType").unwrap_or_default();
        anyhow::ensure!(host == "build", "only a pipeline's run has artifacts, a classic release has none");
        let has_secret = report.build.as_ref().is_some_and(|log| log.has_secret);
        anyhow::ensure!(!has_secret, "a secret was in the output of the build");
        let [id] = &report.records[..] else {
            anyhow::bail!("the docker client does not say which record is the build's");
        };
        let name = format!("{id}.dockerbuild");
        let path = private::temp_folder(self.env).join(&name);
        if let Err(error) = workshop.export_record(id, &path).await {
            // It may hold what was found in it.
            std::fs::remove_file(&path)
                .or_else(
                    |error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) },
                )
                .with_context(|| format!("cannot remove `{}`", path.display()))?;
            return Err(error);
        }
        self.console.command(LoggingCommand::UploadArtifact(ARTIFACT, &path.display().to_string()));
        Ok(name)
    }
}
