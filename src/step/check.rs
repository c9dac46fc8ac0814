//! Proves that no secret of the job is in what was built, before it gets a name.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use super::Step;
use super::inspection::{Brief, Inspection};
use crate::buildx::build::Built;
use crate::buildx::engine::Engine;
use crate::buildx::history;
use crate::buildx::workshop::Workshop;
use crate::console::Console;
use crate::error::{self, hinted};
use crate::guard::finding::Finding;
use crate::guard::policy::LeakCheck;
use crate::guard::verdict::Verdict;
use crate::plan::Plan;
use crate::report::summary::Report;
use crate::secret::known::Known;

/// The agent keeps ten errors and ten warnings of a step; the last error says what became of the image.
const SHOWN: usize = 9;

/// Tells something of a line of a file.
type TellAt = fn(&Console, &Path, usize, &str);

/// Tells something.
type Tell = fn(&Console, &str);

impl Step<'_> {
    /// Searches the image, tells what was found, and fails if that is a leak; a leaking image leaves the store.
    pub(super) async fn check(
        &self,
        plan: &Plan,
        workshop: Option<&Workshop<'_>>,
        built: &mut Built<'_>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        if plan.policy.check == LeakCheck::Off {
            self.console.caution("nobody looks for secrets in the image: `leakCheck` is `off`");
            return Ok(());
        }
        let started = Instant::now();
        self.console.section("Checking the image for secrets");
        for short in self.console.known().iter().filter_map(|known| known.needle().err()) {
            self.console.notice(&short.to_string());
        }
        let examined = match built {
            Built::Exported { examined, .. } => std::mem::take(&mut **examined),
            Built::Stored { engine, image, .. } => {
                let inspection = Inspection::new(&self.console.known(), self.brief(plan));
                let examined = self.cancel.unless(Box::pin(Arc::new(inspection).read(engine, image))).await;
                examined.context("the image cannot be checked")?
            }
        };
        let verdict = Verdict::of(examined, &plan.policy);
        report.stages.push(("Check", started.elapsed()));
        for line in verdict.lines() {
            self.console.line(&line);
            report.guard.get_or_insert_default().push(line);
        }
        self.tell_leaks(plan, &verdict, report);
        if verdict.errors.is_empty() {
            return Ok(());
        }
        if let Built::Stored { engine, image, .. } = built {
            self.discard(plan, engine, &image.id, &verdict.errors).await;
        }
        if let (Some(workshop), Some(metadata)) = (workshop, &report.metadata) {
            let id = metadata.build_ref().map(|build_ref| history::id(build_ref).to_owned());
            workshop.remove_records(id.as_slice(), "A secret is in the image").await;
        }
        Err(hinted(
            format!(
                "the image holds {}; it gets no name and is not pushed",
                match verdict.leaked() {
                    1 => "a secret of this job".to_owned(),
                    more => format!("{more} secrets of this job"),
                }
            ),
            "change the instructions as the errors on their lines say; a place that is no leak can be named in \
             `leakCheckAllow`, a `GLOB = REASON` a line",
        ))
    }

    /// What is known of the image by the plan.
    pub(super) fn brief(&self, plan: &Plan) -> Arc<Brief> {
        let build_args = plan.build.as_ref().map(|build| self.build_args(&build.options.build_args));
        Arc::new(Brief::new(plan, build_args.unwrap_or_default()))
    }

    /// Tells each finding on its line; those that the agent would not keep go to the log.
    fn tell_leaks(&self, plan: &Plan, verdict: &Verdict, report: &mut Report) {
        let known = self.console.known();
        let line = |finding: &Finding| {
            let build = plan.build.as_ref()?;
            let line = match &finding.instruction {
                Some(made) => made.line,
                None => written_at(&build.text, known.iter().find(|known| known.name == finding.needle)?),
            };
            Some((build.dockerfile.as_path(), line?))
        };
        let mut tell = |findings: &[Finding], at: TellAt, elsewhere: Tell| {
            for (number, finding) in findings.iter().enumerate() {
                let text = finding.to_string();
                match line(finding) {
                    _ if number >= SHOWN => self.console.line(&text),
                    Some((file, line)) => at(self.console, file, line, &text),
                    None => elsewhere(self.console, &text),
                }
                report.notices.push(text);
            }
        };
        tell(&verdict.warnings, Console::warning_at, Console::warning);
        tell(&verdict.errors, Console::error_at, Console::error);
    }

    /// Removes a leaking image, and says what of it stays in the build cache. What goes wrong here changes no result.
    async fn discard(&self, plan: &Plan, engine: &Engine, id: &str, errors: &[Finding]) {
        if plan.policy.keep_image {
            self.console.line(&format!("The image is kept without a name: {id}"));
        } else {
            match engine.remove_unnamed(id).await {
                Ok(names) if names.is_empty() => {
                    self.console.line(&format!("The image was removed from the engine's store: {id}"));
                }
                Ok(names) => self.console.warning(&format!(
                    "the image stays in the engine's store, where it had a name before: {}; remove it by `docker image rm`",
                    names.join(", ")
                )),
                Err(error) => self.console.warning(&error::render(
                    &error.context(format!("the image {id} stays in the engine's store")),
                )),
            }
        }
        match engine.cache_records().await {
            Ok(records) => {
                let holds = |description: &str| {
                    errors
                        .iter()
                        .filter_map(|error| error.instruction.as_ref())
                        .any(|made| made.is_in(description))
                };
                for record in records.iter().filter(|record| holds(&record.description)) {
                    self.console.line(&format!(
                        "The build cache still holds it: {} (`docker buildx prune --filter id={}` removes it)",
                        record.description, record.id
                    ));
                }
            }
            Err(error) => self.console.warning(&error::render(
                &error.context("cannot tell which records of the build cache hold the secret"),
            )),
        }
    }
}

/// The line (from 1) of the Dockerfile on which a secret is written, for a place that no instruction made: the Dockerfile's
/// text, which provenance may hold.
fn written_at(dockerfile: &str, secret: &Known) -> Option<usize> {
    let value = std::str::from_utf8(secret.value.expose_secret()).ok()?;
    dockerfile.lines().position(|line| line.contains(value)).map(|index| index + 1)
}
