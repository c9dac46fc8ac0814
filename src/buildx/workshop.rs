//! Calls of the client: what they have in common, from their arguments to what they said.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;

use super::args::BuildCall;
use super::builder::Builder;
use super::cache::Cache;
use super::client::Client;
use super::docker::Session;
use super::engine::Engine;
use super::failure::{exposed, failed, killed};
use super::metadata::Metadata;
use super::options::BuildOptions;
use super::progress::{BuildLog, Format, Progress, Tell};
use super::supply::Supply;
use crate::cancel::Cancel;
use crate::console::Console;
use crate::feeder::{Feeder, Way};
use crate::guard::image::Examined;
use crate::lines::LineBuffer;
use crate::plan::BuildPlan;
use crate::private::PrivateFolder;
use crate::process::{Ended, Process};
use crate::registry::helper::LOGINS_VARIABLE;

use crate::secret::Secret;

/// Reads an export of an image to its end.
pub type Examine = Arc<dyn Fn(&mut dyn Read) -> anyhow::Result<Examined> + Send + Sync>;

/// What every call for a build needs.
pub struct Workshop<'a> {
    /// The build.
    pub plan: &'a BuildPlan,
    /// The step's own labels.
    pub labels: Vec<String>,
    /// The client.
    pub client: &'a Client,
    /// buildx's builder.
    pub builder: &'a Builder,
    /// The engine of the docker context, if it builds or is to get the image.
    pub engine: Option<&'a Engine>,
    /// The client's environment and logins.
    pub session: Session,
    /// The run's private folder.
    pub folder: &'a PrivateFolder,
    /// Where it is told.
    pub console: &'a Arc<Console>,
    /// Who stops it.
    pub cancel: &'a Cancel,
    /// How the client is spoken with; known after its first call.
    pub manner: Cell<Manner>,
}

/// How a client is spoken with.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    format: Format,
    way: Way,
}

/// One call.
pub(super) struct Call<'a> {
    /// The options, with `--output` in `output` and what is written to a cache in `cache_to`.
    pub(super) options: &'a BuildOptions,
    pub(super) output: String,
    pub(super) cache_to: Option<&'a Cache>,
    pub(super) secrets: &'a [&'a Secret],
    pub(super) supply: Supply<'a>,
    /// Who reads the standard output, if an export goes there.
    pub(super) examine: Option<Examine>,
}

/// How a call ended, and what it said.
pub(super) struct Outcome {
    pub(super) ended: Ended,
    pub(super) log: BuildLog,
    pub(super) examined: Option<anyhow::Result<Examined>>,
    /// The ids of its records, if somebody wants them.
    pub(super) records: Vec<String>,
    unreachable: bool,
}

impl Manner {
    /// What a client is tried with first.
    #[must_use]
    pub fn of(client: &Client) -> Self {
        Self { format: Format::of(client), way: Way::PREFERRED }
    }
}

impl Outcome {
    /// The error, if the call failed; `what` was done.
    pub(super) fn failure(&self, what: &str, builder: &Builder) -> Option<anyhow::Error> {
        let how = match self.ended {
            Ended::Exited(0) => return None,
            Ended::Exited(code) => format!("exit code {code}"),
            Ended::Killed(signal) => return Some(killed(self.log.failure.as_ref(), what, signal)),
        };
        Some(failed(self.log.failure.as_ref(), what, &how, builder))
    }

    /// What the client said last, if it failed.
    fn message(&self) -> Option<&str> {
        self.log.failure.as_ref()?.message.as_deref()
    }
}

impl Workshop<'_> {
    /// Calls the client; again if it does not know the format of progress, and with private files if it cannot open our
    /// descriptors.
    pub(super) async fn call(&self, call: &Call<'_>, tell: Tell<'_>) -> anyhow::Result<Outcome> {
        loop {
            let manner = self.manner.get();
            let feeder =
                Feeder::new(call.secrets, &call.supply.logins.encode(self.client)?, manner.way, self.folder)?;
            let outcome = self.run(call, manner.format, &feeder, tell).await?;
            let refused = format!("invalid progress mode {}", manner.format.name());
            if manner.format != Format::Plain && outcome.message() == Some(&refused) {
                self.manner.set(Manner { format: Format::Plain, ..manner });
            } else if outcome.unreachable {
                self.console.warning(
                    "the docker client cannot open secrets in memory (it runs as another user or in a sandbox); they \
                     are in private files while it runs",
                );
                self.manner.set(Manner { way: Way::Files, ..manner });
            } else {
                return Ok(outcome);
            }
        }
    }

    async fn run(
        &self,
        call: &Call<'_>,
        format: Format,
        feeder: &Feeder,
        tell: Tell<'_>,
    ) -> anyhow::Result<Outcome> {
        let process = self.process(call, format, feeder)?;
        // What an earlier call wrote says nothing about this one.
        let _ = std::fs::remove_file(self.result_path());
        let since = SystemTime::now();
        let mut unreachable = false;
        let mut progress = Progress::new(Arc::clone(self.console));
        let lines = || match format {
            Format::RawJson => LineBuffer::whole(),
            Format::Plain => {
                let console = Arc::clone(self.console);
                LineBuffer::new(move |bytes| console.redactor().safe_cut(bytes))
            }
        };
        let on_line = |line: &str| {
            unreachable |= feeder.is_unreachable(line);
            progress.take(line, tell);
        };
        let running = async {
            let Some(examine) = call.examine.clone() else {
                return Ok((process.supervise(self.cancel, lines, on_line).await?, None));
            };
            let read = move |mut pipe: io::PipeReader| {
                let examined = examine(&mut pipe);
                // A client whose export nobody reads would fail with words that hide the reason.
                let _ = io::copy(&mut pipe, &mut io::sink());
                examined
            };
            let (ended, examined) = process.supervise_reading(self.cancel, lines, on_line, read).await?;
            anyhow::Ok((ended, Some(examined)))
        };
        let ended = tokio::select! {
            ended = running => ended,
            broken = call.supply.keep_fresh(feeder, self.client, self.console) => match broken {
                Err(error) => Err(error),
                Ok(never) => match never {},
            },
        };
        let is_failed = !matches!(ended, Ok((Ended::Exited(0), _)));
        let log = progress.end(is_failed, tell);
        if log.has_secret {
            self.remove_records(&self.records(since), "A secret was in the output of the build").await;
        }
        let (ended, examined) = ended?;
        let wants_record = self.plan.build_record && !log.has_secret;
        let records = if wants_record { self.records(since) } else { Vec::new() };
        Ok(Outcome { ended, log, examined, records, unreachable: unreachable && is_failed })
    }

    fn process(&self, call: &Call<'_>, format: Format, feeder: &Feeder) -> anyhow::Result<Process> {
        let (specs, result) = (feeder.specs(), self.result_path());
        let build = BuildCall {
            client: self.client,
            builder: &self.builder.name,
            progress: format,
            dockerfile: &self.plan.dockerfile,
            context: &self.plan.context,
            secrets: &specs,
            labels: &self.labels,
            options: call.options,
            output: &call.output,
            cache_to: call.cache_to,
            source_date_epoch: self.plan.source_date_epoch,
            result: &result,
        };
        let args = build.args();
        if let Some(flag) = args.iter().find(|arg| self.console.redactor().leaks(arg.as_bytes())) {
            let name = flag.split_once('=').map_or(flag.as_str(), |(name, _)| name);
            return Err(exposed(&format!("`{name}`")));
        }
        let mut env = self.session.env.clone();
        env.insert(LOGINS_VARIABLE.to_owned(), feeder.logins().display().to_string());
        if call.options.attestations.provenance.is_none() {
            // buildx would start git six times (20 to 45 ms) for what goes into attestations and its own records only.
            env.entry("BUILDX_GIT_INFO".to_owned()).or_insert_with(|| "false".to_owned());
        }
        Ok(Process {
            program: self.client.program().to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            env,
            stdin: feeder.stdin()?,
        })
    }

    fn result_path(&self) -> PathBuf {
        self.folder.path().join("result")
    }

    /// What the client wrote about its last call.
    pub(super) fn result(&self) -> anyhow::Result<Vec<u8>> {
        std::fs::read(self.result_path()).context("the docker client did not say which image it built")
    }

    /// The same, as buildx writes it.
    pub(super) fn metadata(&self) -> anyhow::Result<Metadata> {
        Metadata::parse(&self.result()?)
    }
}
