//! Tags, pushes and tells.

use std::time::Instant;

use super::Step;
use crate::agent::inputs::Command;
use crate::buildx::build::Built;
use crate::buildx::failure::exposed;
use crate::plan::Plan;
use crate::registry::login::Login;
use crate::registry::logins::Logins;
use crate::registry::manifest::Manifest;
use crate::registry::push::Destination;
use crate::report::summary::Report;

impl Step<'_> {
    /// Tags what was built and, unless the command is `build`, pushes it.
    pub(super) async fn publish(
        &self,
        plan: &Plan,
        built: &Built<'_>,
        logins: &Logins<'_>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        (report.digest, report.image_id) = built.digests();
        let Some(destination) = plan.destination() else { return Ok(()) };
        let started = Instant::now();
        if let Built::Stored { engine, image, .. } = built {
            self.cancel.unless(destination.tag(engine, image)).await?;
            report.references = destination.references();
        }
        if plan.command == Command::Build {
            return Ok(());
        }
        let manifest = self.push(&destination, built, logins).await?;
        report.references = destination.references();
        report.image_id = manifest.config().map(str::to_owned);
        (report.digest, report.pushed) = (Some(manifest.digest), true);
        report.stages.push(("Push", started.elapsed()));
        Ok(())
    }

    async fn push(
        &self,
        destination: &Destination<'_>,
        built: &Built<'_>,
        logins: &Logins<'_>,
    ) -> anyhow::Result<Manifest> {
        match built {
            Built::Stored { engine, image, .. } => {
                let push = destination.push(engine, image, logins, &self.network, self.console);
                self.cancel.unless(push).await
            }
            Built::Exported { workshop, examined } => {
                let repository = destination.repository;
                self.console.section(&format!("Pushing {repository} by digest"));
                let push = async |_: Option<&Login>| workshop.push_by_digest(repository, logins).await;
                let push = destination.insist("push", logins, self.console, push);
                let (digest, _) = self.grouped("Push", push).await?;
                let search = |what: &str, bytes: &[u8]| {
                    if self.console.redactor().leaks(bytes) { Err(exposed(what)) } else { Ok(()) }
                };
                let name = destination.name(&digest, examined, &search, logins, &self.network, self.console);
                self.cancel.unless(name).await
            }
        }
    }
}
