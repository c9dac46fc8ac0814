//! Tags, pushes and tells.

use std::time::Instant;

use super::Step;
use crate::agent::inputs::Command;
use crate::buildx::build::Built;
use crate::buildx::engine::Engine;
use crate::plan::Plan;
use crate::registry::logins::Logins;
use crate::report::summary::Report;

impl Step<'_> {
    /// Tags what was built and, unless the command is `build`, pushes it.
    pub(super) async fn publish(
        &self,
        plan: &Plan,
        engine: &Engine,
        built: &Built,
        logins: &Logins<'_>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        report.digest.clone_from(&built.image.manifest);
        report.image_id.clone_from(&built.config);
        let Some(destination) = plan.destination() else { return Ok(()) };
        let started = Instant::now();
        self.cancel.unless(destination.tag(engine, &built.image)).await?;
        report.references = destination.references();
        if plan.command == Command::Build {
            return Ok(());
        }
        let push = destination.push(engine, &built.image, logins, &self.network, self.console);
        let manifest = self.cancel.unless(push).await?;
        report.image_id = manifest.config().map(str::to_owned);
        (report.digest, report.pushed) = (Some(manifest.digest), true);
        report.stages.push(("Push", started.elapsed()));
        Ok(())
    }
}
