//! The contestants, and a world in which they do the same: build the article's example, whose layers are all in the
//! cache, with one secret.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use feedbuild_agent::{Outcome, Running, Step, Task, TaskResult};
use feedbuild_sandbox::{Feed, Sandbox};
use feedbuild_suites::{Store, TOKEN, World, unique, variable};

use crate::measure::Series;

const FEED: &str = FEEDS[0];
const FEEDS: [&str; 10] = ["my-private-pypi", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
const SECRET: &str = "PIP_EXTRA_URL";
const TAG: &str = "1";

/// What a distant service adds to each request.
const DISTANCE: Duration = Duration::from_millis(50);

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// `node` alone, which the agent demands.
    Node,
    /// The buildx plugin alone.
    Plugin,
    /// The docker client, which starts the plugin.
    Docker,
    /// The step, from the start of `node` to its end.
    Step,
    /// The step with a distant service.
    DistantStep,
    /// The step with a service that speaks TLS.
    SecureStep,
    /// The step with ten feeds.
    TenFeedsStep,
}

impl Contestant {
    /// All of them, in the order of a round.
    pub(crate) const ALL: [Self; 7] = [
        Self::Node,
        Self::Plugin,
        Self::Docker,
        Self::Step,
        Self::DistantStep,
        Self::SecureStep,
        Self::TenFeedsStep,
    ];

    /// Its name in a table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Node => "node -e 0",
            Self::Plugin => "plugin",
            Self::Docker => "docker buildx build",
            Self::Step => "step",
            Self::DistantStep => "step, 50 ms a request",
            Self::SecureStep => "step, https",
            Self::TenFeedsStep => "step, ten feeds",
        }
    }
}

/// The times of each contestant.
pub(crate) struct Times(Vec<(Contestant, Series)>);

impl Times {
    /// Those of one.
    pub(crate) fn of(&self, contestant: Contestant) -> &Series {
        let found = self.0.iter().find(|(other, _)| *other == contestant);
        &found.expect("every contestant is run").1
    }
}

/// Two worlds, one with https, on one engine with a warm cache.
pub(crate) struct Contest {
    plain: World,
    step: Step,
    /// Holds what its step needs.
    _secure: World,
    secure_step: Step,
    ten_feeds_step: Step,
    client: PathBuf,
    /// What both clients are told.
    arguments: Vec<OsString>,
    /// Holds the secret's file, the metadata file and the authority's certificate.
    _folder: tempfile::TempDir,
}

impl Contest {
    /// Lays the worlds and runs everybody once; the plugin, which is the first to build, fills the cache.
    pub(crate) fn new(store: Store, task: &Task) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        let service = || {
            FEEDS.iter().fold(Sandbox::builder().token(TOKEN), |builder, feed| builder.feed(Feed::org(feed)))
        };
        let plain = World::with_sandbox(store, service().start());
        let secure = World::with_sandbox(store, service().tls().start());
        let authority = folder.path().join("ca.pem");
        std::fs::write(&authority, secure.sandbox.ca_pem().context("it speaks no TLS")?)
            .context("cannot write the authority's certificate")?;
        secure.job.set_variable("Agent.CAInfo", &authority.to_string_lossy());

        let image = unique("bench");
        let contest = Self {
            step: step(&plain, task, &image)?,
            ten_feeds_step: step(&plain, task, &image)?
                .input("artifactFeeds", &FEEDS.join(","))
                .input("Dockerfile", "Dockerfile.ten"),
            secure_step: step(&secure, task, &image)?,
            client: PathBuf::from(variable("FEEDBUILD_TEST_CLIENT")),
            arguments: arguments(&plain, &image, folder.path())?,
            plain,
            _secure: secure,
            _folder: folder,
        };
        for contestant in Contestant::ALL {
            contest.time(contestant)?;
        }
        Ok(contest)
    }

    /// Lets everybody run once a round, in an order that changes: what an engine does after a build weighs on whoever
    /// comes next.
    pub(crate) fn run(&self, rounds: u32) -> Result<Times> {
        let mut times = Contestant::ALL.map(|contestant| (contestant, Vec::new()));
        for _ in 0..rounds {
            fastrand::shuffle(&mut times);
            for (contestant, times) in &mut times {
                times.push(self.time(*contestant)?);
            }
        }
        Ok(Times(times.map(|(contestant, times)| (contestant, Series::new(&times))).into()))
    }

    /// The peak resident memory of the native process of one step, in KiB; with TLS, which takes more.
    pub(crate) fn peak_memory(&self) -> Result<u32> {
        let running = self.secure_step.start()?;
        let mut peak = None;
        // The kernel keeps the maximum, so the last reading before the end is the one that counts.
        while !has_ended(&running) {
            peak = native_peak(&running).or(peak);
        }
        check(&running.wait()?)?;
        peak.context("the native process was never seen")
    }

    fn time(&self, contestant: Contestant) -> Result<Duration> {
        match contestant {
            Contestant::Node => run(self.command("node").args(["-e", "0"])),
            Contestant::Plugin => run(self.client("cli-plugins/docker-buildx").args(&self.arguments)),
            Contestant::Docker => run(self.client("bin/docker").arg("buildx").args(&self.arguments)),
            Contestant::Step => time_step(&self.step),
            Contestant::DistantStep => {
                self.plain.sandbox.set_latency(DISTANCE);
                let time = time_step(&self.step);
                self.plain.sandbox.set_latency(Duration::ZERO);
                time
            }
            Contestant::SecureStep => time_step(&self.secure_step),
            Contestant::TenFeedsStep => time_step(&self.ten_feeds_step),
        }
    }

    fn client(&self, program: &str) -> Command {
        self.command(self.client.join(program))
    }

    /// A command in the environment that the step has, less what is the agent's. Node alone takes three times as long
    /// with some variables (`NODE_EXTRA_CA_CERTS`), so none of ours comes in.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.plain.job.home_dir())
            .env("DOCKER_HOST", &self.plain.engine)
            // As in the step, which needs none of them.
            .env("BUILDX_GIT_INFO", "false")
            .env("BUILDX_METADATA_PROVENANCE", "disabled")
            .env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
        command
    }
}

/// The article's step, less the push.
fn step(world: &World, task: &Task, image: &str) -> Result<Step> {
    world.article();
    // An argument holds one URL, a variable ten.
    let dockerfile = std::fs::read_to_string(world.job.sources_dir().join("Dockerfile"))?
        .replace("id=PIP_EXTRA_URL", "id=PIP_EXTRA_INDEX_URL,env=PIP_EXTRA_INDEX_URL")
        .replace("--extra-index-url $(cat /run/secrets/PIP_EXTRA_URL)", "");
    world.source("Dockerfile.ten", &dockerfile);
    let inputs = [
        ("command", "build"),
        ("artifactFeeds", FEED),
        ("onlyAddExtraIndex", "true"),
        ("repository", image),
        ("tags", TAG),
        ("network", "host"),
        // What the check costs is measured by itself.
        ("leakCheck", "off"),
    ];
    let step = world.job.step(task)?;
    Ok(inputs.into_iter().fold(step, |step, (name, value)| step.input(name, value)))
}

fn time_step(step: &Step) -> Result<Duration> {
    let outcome = step.run()?;
    check(&outcome)?;
    Ok(outcome.elapsed)
}

/// What the step tells the plugin, with the secret in a file.
fn arguments(world: &World, image: &str, folder: &Path) -> Result<Vec<OsString>> {
    let secret = folder.join("secret");
    let index = world.sandbox.index_url(FEED);
    let index = index.replacen("://", &format!("://build:{}@", world.sandbox.token()), 1);
    std::fs::write(&secret, index).context("cannot write the secret")?;
    let sources = world.job.sources_dir();
    Ok(vec![
        "build".into(),
        "--builder=default".into(),
        format!("--metadata-file={}", folder.join("metadata").display()).into(),
        "--progress=plain".into(),
        format!("--file={}", sources.join("Dockerfile").display()).into(),
        "--network=host".into(),
        format!("--tag={image}:{TAG}").into(),
        format!("--secret=id={SECRET},src={}", secret.display()).into(),
        "--".into(),
        sources.into(),
    ])
}

/// Runs a command to its end, and reads what it says.
fn run(command: &mut Command) -> Result<Duration> {
    let started = Instant::now();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    let time = started.elapsed();
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(time)
}

fn check(outcome: &Outcome) -> Result<()> {
    ensure!(outcome.result == TaskResult::Succeeded, "the step failed:\n{}", outcome.log_text());
    Ok(())
}

pub(crate) fn has_ended(running: &Running) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.launcher_pid()));
    stat.is_ok_and(|stat| stat.contains(") Z "))
}

/// The peak so far, in KiB, once the child of `node` is the binary and no longer a copy of `node`.
pub(crate) fn native_peak(running: &Running) -> Option<u32> {
    let process = PathBuf::from(format!("/proc/{}", running.native_pid()?));
    let program = std::fs::read_link(process.join("exe")).ok()?;
    program.ends_with("feedbuild").then_some(())?;
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
