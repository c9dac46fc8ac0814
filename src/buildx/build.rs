//! Runs the client and finds out what it built, or why not.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::args::BuildCall;
use super::builder::Builder;
use super::client::Client;
use super::docker::Session;
use super::engine::{Engine, StoredImage};
use super::metadata::Metadata;
use super::progress::{BuildLog, Format, Progress, Told};
use super::supply::Supply;
use crate::cancel::Cancel;
use crate::console::Console;
use crate::error::{hint_context, hinted};
use crate::feeder::{Feeder, Way};
use crate::lines::LineBuffer;
use crate::plan::BuildPlan;
use crate::private::PrivateFolder;
use crate::process::{Ended, Process};
use crate::registry::helper::LOGINS_VARIABLE;
use crate::secret::Secret;

/// From where to where in the step's progress a build goes, in percent.
const SHARE: std::ops::Range<u16> = 10..80;

/// What a build needs from the rest of the step.
#[derive(Debug)]
pub struct Workshop<'a> {
    /// The engine that builds.
    pub engine: &'a Engine,
    /// The client.
    pub client: &'a Client,
    /// buildx's builder.
    pub builder: &'a Builder,
    /// The client's environment and logins.
    pub session: &'a Session,
    /// The run's private folder.
    pub folder: &'a PrivateFolder,
    /// The step's own labels.
    pub labels: &'a [String],
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The image in the engine's store.
    pub image: StoredImage,
    /// The digest of its config, where it is known before a push.
    pub config: Option<String>,
}

/// What came of a build.
#[derive(Debug)]
pub struct Attempt {
    /// The image, `None` if a `call` asked for none, or why there is none.
    pub result: anyhow::Result<Option<Built>>,
    /// What is known of the build's steps.
    pub log: BuildLog,
}

/// How a call of the client ended, and what it said.
struct Outcome {
    ended: Ended,
    log: BuildLog,
    unreachable: bool,
}

impl Outcome {
    /// What the client said last, if it failed.
    fn message(&self) -> Option<String> {
        self.log.failure.as_ref()?.message.clone()
    }
}

impl Workshop<'_> {
    /// Builds with these secrets and the user's own; a `call` builds nothing. The client is called again if it does not know the format of
    /// progress, and with private files if it cannot open our descriptors.
    pub async fn build(
        &self,
        plan: &BuildPlan,
        supply: Supply<'_>,
        console: &Arc<Console>,
        cancel: &Cancel,
    ) -> anyhow::Result<Attempt> {
        let secrets: Vec<&Secret> = supply.first.secrets.iter().chain(&plan.own).collect();
        let mut format = Format::of(self.client);
        let mut feeder =
            Feeder::new(&secrets, &supply.logins.encode(self.client)?, Way::PREFERRED, self.folder)?;
        let mut outcome = self.call(plan, format, supply, &feeder, console, cancel).await?;
        if outcome
            .message()
            .is_some_and(|message| message == format!("invalid progress mode {}", format.name()))
        {
            format = Format::Plain;
            outcome = self.call(plan, format, supply, &feeder, console, cancel).await?;
        }
        if outcome.unreachable {
            console.warning(
                "the docker client cannot open secrets in memory (it runs as another user or in a sandbox); they are \
                 in private files while it runs",
            );
            feeder = Feeder::new(&secrets, &supply.logins.encode(self.client)?, Way::Files, self.folder)?;
            outcome = self.call(plan, format, supply, &feeder, console, cancel).await?;
        }
        drop(feeder);
        let call = plan.options.call.as_deref();
        let result = match outcome.ended {
            Ended::Exited(0) if call.is_some() => Ok(None),
            Ended::Exited(0) => self.result().await.map(Some),
            Ended::Exited(code) => Err(failed(outcome.message(), call, &format!("exit code {code}"))),
            Ended::Killed => Err(failed(outcome.message(), call, "a signal killed the docker client")),
        };
        Ok(Attempt { result, log: outcome.log })
    }

    async fn call(
        &self,
        plan: &BuildPlan,
        format: Format,
        supply: Supply<'_>,
        feeder: &Feeder,
        console: &Arc<Console>,
        cancel: &Cancel,
    ) -> anyhow::Result<Outcome> {
        let specs = feeder.specs();
        let call = BuildCall {
            client: self.client,
            builder: &self.builder.name,
            progress: format,
            dockerfile: &plan.dockerfile,
            context: &plan.context,
            secrets: &specs,
            labels: self.labels,
            options: &plan.options,
            source_date_epoch: None,
            result: &self.result_path(),
        };
        let args = call.args();
        if let Some(flag) = args.iter().find(|arg| console.redactor().leaks(arg.as_bytes())) {
            return Err(exposed(&format!(
                "`{}`",
                flag.split_once('=').map_or(flag.as_str(), |(name, _)| name)
            )));
        }
        let mut env = self.session.env.clone();
        env.insert(LOGINS_VARIABLE.to_owned(), feeder.logins().display().to_string());
        if plan.options.attestations.provenance.is_none() {
            // buildx would start git six times (20 to 45 ms) for what goes into attestations and its own records only.
            env.entry("BUILDX_GIT_INFO".to_owned()).or_insert_with(|| "false".to_owned());
        }
        let process = Process {
            program: self.client.program().to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            env,
            stdin: feeder.stdin()?,
        };
        let mut unreachable = false;
        let mut progress = Progress::new(Arc::clone(console));
        let mut tell = |told: Told<'_>| match told {
            Told::Line(line) => console.line(line),
            Told::Percent { percent, done, all } => {
                console.progress(share(percent), &format!("{done} of {all} instructions are built"));
            }
        };
        let lines = || match format {
            Format::RawJson => LineBuffer::whole(),
            Format::Plain => {
                let console = Arc::clone(console);
                LineBuffer::new(move |bytes| console.redactor().safe_cut(bytes))
            }
        };
        let running = process.supervise(cancel, lines, |line| {
            unreachable |= feeder.is_unreachable(line);
            progress.take(line, &mut tell);
        });
        let ended = tokio::select! {
            ended = running => ended?,
            broken = supply.keep_fresh(feeder, self.client, console) => match broken? {},
        };
        let is_failed = ended != Ended::Exited(0);
        Ok(Outcome { ended, log: progress.end(is_failed, &mut tell), unreachable: unreachable && is_failed })
    }

    fn result_path(&self) -> std::path::PathBuf {
        self.folder.path().join("result")
    }

    async fn result(&self) -> anyhow::Result<Built> {
        let path = self.result_path();
        let text = read(&path)?;
        match self.client {
            Client::Buildx(_) => {
                let metadata = Metadata::parse(&text)?;
                let manifest = metadata.manifest().map(str::to_owned);
                Ok(Built { image: StoredImage { id: metadata.digest, manifest }, config: metadata.config })
            }
            Client::Docker(_) => {
                let id = String::from_utf8_lossy(&text).trim().to_owned();
                let image = self.engine.image(&id).await?;
                let image = image
                    .with_context(|| format!("the engine does not know the image `{id}` that it built"))?;
                Ok(Built { config: image.manifest.is_none().then(|| image.id.clone()), image })
            }
        }
    }
}

/// The error for an argument of the client that holds a secret.
#[must_use]
pub fn exposed(argument: &str) -> anyhow::Error {
    hinted(
        format!(
            "{argument} holds a secret of this step; everybody who has the image, or an account on the agent, could \
             read it"
        ),
        "mount it in the Dockerfile (`RUN --mount=type=secret,id=ID`) and give it by `secrets` or `secretEnvs`",
    )
}

/// The step's progress when the build's is `percent`.
fn share(percent: u8) -> u8 {
    let passed = u16::from(percent.min(100)) * (SHARE.end - SHARE.start) / 100;
    u8::try_from(SHARE.start + passed).unwrap_or(100)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).context("the docker client did not say which image it built")
}

/// One concise error from what the client said last.
fn failed(said: Option<String>, call: Option<&str>, how: &str) -> anyhow::Error {
    let text = said.unwrap_or_else(|| "it said nothing; see the log above".to_owned());
    // buildx repeats what it was doing before the cause.
    let cause = ["failed to build: ", "failed to solve: "]
        .iter()
        .fold(text.as_str(), |text, prefix| text.strip_prefix(prefix).unwrap_or(text));
    let error = anyhow::anyhow!("{cause}");
    if text.contains("the buildx component is missing or broken") {
        return error.context(hint_context(
            "this docker client cannot build without the buildx plugin",
            "install it on the agent: package `docker-buildx-plugin` of Docker, or `docker-buildx` of the distribution",
        ));
    }
    let refused = ["401 Unauthorized", "403 Forbidden", "pull access denied", "authorization failed"];
    if text.contains("failed to resolve source metadata") && refused.iter().any(|sign| text.contains(sign)) {
        return error.context(hint_context(
            format!("a base image cannot be pulled ({how})"),
            "log in to its registry before this step by `Docker@2` with `command: login`; the login of \
             `containerRegistry` is used for its own registry alone",
        ));
    }
    let lost = [
        "rpc error: code = Unavailable",
        "error reading from server: EOF",
        "Cannot connect to the Docker daemon",
    ];
    if lost.iter().any(|sign| text.contains(sign)) {
        return error.context(hint_context(
            format!("the Docker engine went away during the build ({how})"),
            "see the engine's own log (`journalctl -u docker`), and whether the agent ran out of memory or disk; then run the job again",
        ));
    }
    let what = call.map_or_else(|| "the build".to_owned(), |call| format!("`call: {call}`"));
    error.context(format!("{what} failed ({how})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    #[test]
    fn a_failure_is_one_concise_message() {
        let said = "failed to build: failed to solve: process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3";
        assert_eq!(
            error::render(&failed(Some(said.to_owned()), None, "exit code 1")),
            "the build failed (exit code 1)\n  caused by: process \"/bin/sh -c exit 3\" did not complete successfully: \
             exit code: 3"
        );
    }

    #[test]
    fn an_engine_that_went_away_is_told_from_a_failed_build() {
        let said =
            "failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF";
        let text = error::render(&failed(Some(said.to_owned()), None, "exit code 1"));
        assert!(text.starts_with("the Docker engine went away") && text.contains("hint: "), "{text}");
    }
}
