//! Builds the image, or finds the one that an earlier step built.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;

use super::inspection::Inspection;
use super::{Step, is_cancelled};
use crate::buildx::build::Built;
use crate::buildx::builder::{Builder, Driver};
use crate::buildx::docker::Docker;
use crate::buildx::engine::Engine;
use crate::buildx::supply::Supply;
use crate::buildx::workshop::{Examine, Manner, Workshop};
use crate::error::{self, hinted};
use crate::feed::doctor;
use crate::plan::Plan;
use crate::registry::logins::Logins;
use crate::report::summary::Report;

impl Step<'_> {
    /// Lays out what the client needs; `None` for `command: push`, which builds nothing.
    pub(super) fn workshop<'w>(
        &'w self,
        plan: &'w Plan,
        docker: &'w Docker,
        engine: Option<&'w Engine>,
        logins: &Logins<'_>,
        base_labels: &[String],
    ) -> anyhow::Result<Option<Workshop<'w>>> {
        let Some(build) = &plan.build else { return Ok(None) };
        let session = docker.open_session(self.env, logins, build, &self.folder, self.console)?;
        Ok(Some(Workshop {
            plan: build,
            labels: [&build.labels, base_labels].concat(),
            client: &docker.client,
            builder: &docker.builder,
            engine,
            session,
            folder: &self.folder,
            console: self.console,
            cancel: self.cancel,
            manner: Cell::new(Manner::of(&docker.client)),
        }))
    }

    /// Builds; without a workshop, finds what an earlier step built. `None` if a `call` asked for no image.
    pub(super) async fn build<'w>(
        &self,
        plan: &Plan,
        workshop: Option<&'w Workshop<'w>>,
        builder: &Builder,
        engine: Option<&'w Engine>,
        supply: Supply<'_>,
        report: &mut Report,
    ) -> anyhow::Result<Option<Built<'w>>> {
        let started = Instant::now();
        let Some(workshop) = workshop else {
            let engine = engine.context("there is no engine to push from")?;
            return self.cancel.unless(find(plan, builder, engine)).await.map(Some);
        };
        self.console.section(&format!("Building {}", workshop.plan.dockerfile.display()));
        report.begin(workshop.plan);
        self.console.group("Build");
        let (brief, console) = (self.brief(plan), Arc::clone(self.console));
        // Looks for what is known by then: a credential may have been renewed while the build ran.
        let examine: Examine =
            Arc::new(move |stream| Inspection::new(&console.known(), Arc::clone(&brief)).examine(stream));
        let attempt = self.transcribed("build", workshop.build(supply, &examine), report).await;
        self.console.end_group();
        report.stages.push(("Build", started.elapsed()));
        let built = attempt.and_then(|attempt| {
            report.build = Some(self.tell_findings(attempt.log, workshop.plan));
            (report.metadata, report.records) = (attempt.metadata, attempt.records);
            attempt.result
        });
        if let Err(error) = &built
            && !is_cancelled(error)
        {
            self.examine(supply, report).await?;
            self.keep_record(Some(workshop), report).await;
        }
        built
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
async fn find<'e>(plan: &Plan, builder: &Builder, engine: &'e Engine) -> anyhow::Result<Built<'e>> {
    let destination = plan.destination().context("there is nothing to push")?;
    let references = destination.references();
    let reference = references.first().context("there is no tag to push")?;
    let image = engine.image(reference).await?.ok_or_else(|| {
        let hint = match builder.driver {
            Driver::Docker => {
                "build it before on the same agent, by `command: build` with the same `containerRegistry`, `repository` \
                 and `tags`, or use `command: buildAndPush`"
            }
            _ => {
                "what such a builder builds is in no store: use `command: buildAndPush`, or `load: true` in the step \
                 that builds"
            }
        };
        let of = match builder.driver {
            Driver::Docker => String::new(),
            driver => format!(", and builder `{}` keeps none (driver `{}`)", builder.name, driver.name()),
        };
        hinted(format!("the engine has no image `{reference}` to push{of}"), hint)
    })?;
    Ok(Built::stored(engine, image))
}
