//! Tags, pushes and tells.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Step;
use crate::agent::inputs::Command;
use crate::buildx::build::Built;
use crate::buildx::failure::exposed;
use crate::buildx::metadata::Metadata;
use crate::error;
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
        let destination = plan.destination();
        let tags = destination.iter().flat_map(|destination| destination.tags);
        report.tags = tags.map(ToString::to_string).collect();
        let started = Instant::now();
        let tag = async {
            match (&destination, built) {
                (Some(destination), Built::Stored { engine, image, .. }) => {
                    destination.tag(engine, image).await.map(|()| destination.references())
                }
                _ => Ok(std::mem::take(&mut report.references)),
            }
        };
        // On the heap: it would make every future above it large.
        let both = Box::pin(async { Ok(tokio::join!(tag, built.makeup())) });
        let (tagged, makeup) = self.cancel.unless(both).await?;
        (report.references, report.makeup) = (tagged?, makeup);
        let Some(destination) = destination else { return Ok(()) };
        if plan.command == Command::Build {
            return Ok(());
        }
        let push = self.push(&destination, built, logins);
        let manifest = self.transcribed("push", push, report).await?;
        report.references = destination.references();
        report.digests = manifest.platforms().collect();
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
            Built::Exported { workshop, examined, .. } => {
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

    /// Finds the digest of each platform where the registry's manifest has not told it. Whatever fails costs an output
    /// variable alone.
    pub(super) async fn describe(&self, built: &Built<'_>, report: &mut Report) {
        let Some(digest) = report.digest.clone().filter(|_| report.digests.is_empty()) else { return };
        let platform = report.metadata.as_ref().and_then(Metadata::platform);
        report.digests = match (platform, built) {
            (Some(platform), _) => [(platform.to_string(), digest)].into(),
            (None, Built::Exported { examined, .. }) => examined.platforms().collect(),
            (None, Built::Stored { engine, image, .. }) => match engine.details(&image.id).await {
                Ok(details) if !report.pushed && details.platforms().next().is_some() => {
                    details.platforms().collect()
                }
                Ok(details) if !report.metadata.as_ref().is_some_and(Metadata::is_index) => {
                    [(details.platform().to_string(), digest)].into()
                }
                Ok(_) => BTreeMap::new(),
                Err(error) => {
                    let error = error.context("the platform of the image is not known");
                    self.console.line(&error::render(&error));
                    BTreeMap::new()
                }
            },
        };
    }
}
