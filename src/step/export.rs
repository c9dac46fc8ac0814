//! Takes what was checked to where it is wanted besides the registry: the engine's store, files, caches.

use std::time::Instant;

use super::{Step, is_cancelled};
use crate::agent::inputs::Command;
use crate::buildx::build::Built;
use crate::buildx::workshop::Workshop;
use crate::error;
use crate::plan::Plan;
use crate::registry::logins::Logins;
use crate::report::summary::Report;

impl Step<'_> {
    /// Loads the image into the engine if that is asked for, and writes the files of `outputs`.
    pub(super) async fn export(
        &self,
        plan: &Plan,
        workshop: Option<&Workshop<'_>>,
        built: &Built<'_>,
        logins: &Logins<'_>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let Some(workshop) = workshop else { return Ok(()) };
        let started = Instant::now();
        let options = &workshop.plan.options;
        if let (Built::Exported { checked, .. }, true) = (built, options.load) {
            let image = self.grouped("Load", workshop.load(checked, logins)).await?;
            self.console.line(&format!("Loaded {}, as checked", image.id));
            if let (Some(destination), Some(engine)) = (plan.destination(), workshop.engine) {
                self.cancel.unless(destination.tag(engine, &image)).await?;
                report.references = destination.references();
            }
        }
        for file in &options.outputs.files {
            let title = format!("Write {}", file.dest.display());
            self.grouped(&title, workshop.write(file, logins)).await?;
        }
        if options.load || !options.outputs.files.is_empty() {
            report.stages.push(("Export", started.elapsed()));
        } else if let (Built::Exported { .. }, Command::Build) = (built, plan.command) {
            let text = format!(
                "the image is in the cache of builder `{}` alone: `load: true` puts it into the engine's store, `outputs` \
                 into files",
                workshop.builder.name
            );
            self.console.notice(&text);
            report.notices.push(text);
        }
        Ok(())
    }

    /// Writes the caches of `cacheTo`. The image is there by now, so that one that fails is a warning, unless its
    /// `ignore-error=false` asks for more.
    pub(super) async fn export_caches(
        &self,
        workshop: Option<&Workshop<'_>>,
        logins: &Logins<'_>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let Some(workshop) = workshop else { return Ok(()) };
        let started = Instant::now();
        let mut caches = workshop.plan.options.cache_to.iter().filter(|cache| !cache.is_inline()).peekable();
        if caches.peek().is_none() {
            return Ok(());
        }
        for cache in caches {
            let written = self.grouped("Cache", workshop.write_cache(cache, logins)).await;
            match written {
                Err(error) if !cache.must_succeed() && !is_cancelled(&error) => {
                    let text = error::render(&error);
                    self.console.warning(&text);
                    report.notices.push(text);
                }
                written => written?,
            }
        }
        report.stages.push(("Cache", started.elapsed()));
        Ok(())
    }

    /// Does `work` in a foldable group of the log.
    pub(super) async fn grouped<T>(&self, title: &str, work: impl Future<Output = T>) -> T {
        self.console.group(title);
        let done = Box::pin(work).await;
        self.console.end_group();
        done
    }
}
