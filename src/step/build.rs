//! Builds the image, or finds the one that an earlier step built.

use std::time::Instant;

use anyhow::Context as _;

use super::{Step, is_cancelled};
use crate::buildx::build::{Built, Workshop};
use crate::buildx::docker::Docker;
use crate::buildx::engine::Engine;
use crate::buildx::supply::Supply;
use crate::error::{self, hinted};
use crate::feed::doctor;
use crate::plan::Plan;
use crate::report::summary::Report;

impl Step<'_> {
    /// Builds; for `command: push`, finds what an earlier step built. `None` if a `call` asked for no image.
    pub(super) async fn build(
        &self,
        plan: &Plan,
        docker: &Docker,
        engine: &Engine,
        supply: Supply<'_>,
        base_labels: &[String],
        report: &mut Report,
    ) -> anyhow::Result<Option<Built>> {
        let started = Instant::now();
        let Some(wanted) = &plan.build else {
            return self.cancel.unless(find(plan, engine)).await.map(Some);
        };
        self.console.section(&format!("Building {}", wanted.dockerfile.display()));
        let session =
            docker.open_session(self.env, supply.logins, &wanted.variables, &self.folder, self.console)?;
        let workshop = Workshop {
            engine,
            client: &docker.client,
            builder: &docker.builder,
            session: &session,
            folder: &self.folder,
            labels: &[&wanted.labels, base_labels].concat(),
        };
        self.console.group("Build");
        let attempt = workshop.build(wanted, supply, self.console, self.cancel).await;
        self.console.end_group();
        let built = attempt.and_then(|attempt| {
            report.build = Some(attempt.log);
            attempt.result
        });
        if let Err(error) = &built
            && !is_cancelled(error)
        {
            self.examine(supply, report).await?;
        }
        let built = built?;
        report.stages.push(("Build", started.elapsed()));
        Ok(built)
    }

    /// Warns of feeds that are closed to what the build had, after it failed.
    async fn examine(&self, supply: Supply<'_>, report: &mut Report) -> anyhow::Result<()> {
        let Some(source) = supply.source else { return Ok(()) };
        let examined = async { Ok(doctor::examine(&source.client, &supply.first.origins).await) };
        for error in self.cancel.unless(examined).await? {
            let text = error::render(&error);
            self.console.warning(&text);
            report.notices.push(text);
        }
        Ok(())
    }
}

/// The image that an earlier step built under the first of the references.
async fn find(plan: &Plan, engine: &Engine) -> anyhow::Result<Built> {
    let destination = plan.destination().context("there is nothing to push")?;
    let references = destination.references();
    let reference = references.first().context("there is no tag to push")?;
    let image = engine.image(reference).await?.ok_or_else(|| {
        hinted(
            format!("the engine has no image `{reference}` to push"),
            "build it before on the same agent, by `command: build` with the same `containerRegistry`, `repository` and \
             `tags`, or use `command: buildAndPush`",
        )
    })?;
    Ok(Built { config: image.manifest.is_none().then(|| image.id.clone()), image })
}
