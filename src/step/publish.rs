//! Tags, pushes and tells.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Step;
use crate::agent::inputs::Command;
use crate::buildx::build::Built;
use crate::buildx::failure::exposed;
use crate::buildx::image_details::ImageDetails;
use crate::buildx::makeup::Makeup;
use crate::buildx::metadata::Metadata;
use crate::guard::policy::LeakCheck;
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
        report.references = self.cancel.unless(tag).await?;
        let Some(destination) = destination else { return Ok(()) };
        if plan.command == Command::Build {
            return Ok(());
        }
        let push = self.push(plan, &destination, built, logins);
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
        plan: &Plan,
        destination: &Destination<'_>,
        built: &Built<'_>,
        logins: &Logins<'_>,
    ) -> anyhow::Result<Manifest> {
        match built {
            Built::Stored { engine, image, .. } => {
                let push = destination.push(engine, image, logins, &self.network, self.console);
                self.grouped("Push", self.cancel.unless(push)).await
            }
            Built::Exported { workshop, checked, .. } => {
                let repository = destination.repository;
                self.console.section(&format!("Pushing {repository} by digest"));
                let push = async |_: Option<&Login>| workshop.push_by_digest(repository, logins).await;
                let push = destination.insist("push", logins, self.console, push);
                let (digest, _) = self.grouped("Push", push).await?;
                let searches = plan.policy.check != LeakCheck::Off;
                let search = |what: &str, bytes: &[u8]| {
                    if searches && self.console.redactor().leaks(bytes) { Err(exposed(what)) } else { Ok(()) }
                };
                let name = destination.name(&digest, checked, &search, logins, &self.network, self.console);
                self.cancel.unless(name).await
            }
        }
    }

    /// Takes down what the image is made of, and the digest of each platform where the registry's manifest has not told
    /// it. Whatever is not known costs an output variable or a line of the summary alone.
    pub(super) fn describe(built: &Built<'_>, report: &mut Report) {
        report.makeup = Makeup::of(built, report.details.as_ref());
        let Some(digest) = report.digest.clone().filter(|_| report.digests.is_empty()) else { return };
        let platform = report.metadata.as_ref().and_then(Metadata::platform);
        let is_index = report.metadata.as_ref().is_some_and(Metadata::is_index);
        report.digests = match (platform, built, &report.details) {
            (Some(platform), ..) => [(platform.to_string(), digest)].into(),
            (None, Built::Exported { checked, .. }, _) => checked.platforms().collect(),
            (None, Built::Stored { .. }, Some(details)) => {
                let stored: BTreeMap<String, String> = details.platforms().collect();
                if !report.pushed && !stored.is_empty() {
                    stored
                } else if !is_index {
                    [(details.platform().to_string(), digest)].into()
                } else {
                    BTreeMap::new()
                }
            }
            (None, Built::Stored { .. }, None) => BTreeMap::new(),
        };
    }
}

/// What the engine says of an image in its store.
pub(super) fn details<'e>(
    built: &Built<'e>,
) -> impl Future<Output = anyhow::Result<Option<ImageDetails>>> + use<'e> {
    let stored = match built {
        Built::Stored { engine, image, .. } => Some((*engine, image.id.clone())),
        Built::Exported { .. } => None,
    };
    async move {
        Ok(match stored {
            Some((engine, id)) => engine.details(&id).await.ok(),
            None => None,
        })
    }
}
