//! The contestants, and a world in which they do the same: build the article's example, whose layers are all in the
//! cache, with one secret.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use feedbuild_agent::{Outcome, Running, Step, Task, TaskResult};
use feedbuild_suites::{Store, World, unique, variable};

use crate::measure::Series;

const FEED: &str = "my-private-pypi";
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
}

impl Contestant {
    /// All of them, in the order of a round.
    pub(crate) const ALL: [Self; 5] = [Self::Node, Self::Plugin, Self::Docker, Self::Step, Self::DistantStep];

    /// Its name in a table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Node => "node -e 0",
            Self::Plugin => "plugin",
            Self::Docker => "docker buildx build",
            Self::Step => "step",
            Self::DistantStep => "step, 50 ms a request",
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

/// A world with a warm cache.
pub(crate) struct Contest {
    world: World,
    step: Step,
    client: PathBuf,
    /// What both clients are told.
    arguments: Vec<OsString>,
    /// Holds the secret's file and the metadata file.
    _folder: tempfile::TempDir,
}

impl Contest {
    /// Lays the world and runs everybody once, which fills the cache.
    pub(crate) fn new(store: Store, task: &Task) -> Result<Self> {
        let world = World::new(store);
        world.article();
        let image = unique("bench");
        let step = world.job.step(task)?;
        let step = [
            ("command", "build"),
            ("artifactFeeds", FEED),
            ("onlyAddExtraIndex", "true"),
            ("repository", &image),
            ("tags", TAG),
            ("network", "host"),
        ]
        .into_iter()
        .fold(step, |step, (name, value)| step.input(name, value));
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        let arguments = arguments(&world, &image, folder.path())?;
        let client = PathBuf::from(variable("FEEDBUILD_TEST_CLIENT"));
        let contest = Self { world, step, client, arguments, _folder: folder };
        for contestant in [Contestant::Step, Contestant::Plugin, Contestant::Docker, Contestant::Node] {
            contest.time(contestant)?;
        }
        Ok(contest)
    }

    /// Lets everybody run in turns, `rounds` times.
    pub(crate) fn run(&self, rounds: u32) -> Result<Times> {
        let mut times = Contestant::ALL.map(|contestant| (contestant, Vec::new()));
        for _ in 0..rounds {
            for (contestant, times) in &mut times {
                times.push(self.time(*contestant)?);
            }
        }
        Ok(Times(times.map(|(contestant, times)| (contestant, Series::new(&times))).into()))
    }

    /// The peak resident memory of the native process of one step, in KiB.
    pub(crate) fn peak_memory(&self) -> Result<u32> {
        let running = self.step.start()?;
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
            Contestant::Node => run(Command::new("node").args(["-e", "0"])),
            Contestant::Plugin => run(&mut self.client("cli-plugins/docker-buildx", &[])),
            Contestant::Docker => run(&mut self.client("bin/docker", &["buildx"])),
            Contestant::Step => self.time_step(),
            Contestant::DistantStep => {
                self.world.sandbox.set_latency(DISTANCE);
                let time = self.time_step();
                self.world.sandbox.set_latency(Duration::ZERO);
                time
            }
        }
    }

    fn time_step(&self) -> Result<Duration> {
        let outcome = self.step.run()?;
        check(&outcome)?;
        Ok(outcome.elapsed)
    }

    /// One of the clients in the environment that the step has, less what is the agent's.
    fn client(&self, program: &str, first: &[&str]) -> Command {
        let mut command = Command::new(self.client.join(program));
        command
            .args(first)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.world.job.home_dir())
            .env("DOCKER_HOST", &self.world.engine)
            // As in the step, which needs neither.
            .env("BUILDX_METADATA_PROVENANCE", "disabled")
            .env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
        command
    }
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

fn has_ended(running: &Running) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.launcher_pid()));
    stat.is_ok_and(|stat| stat.contains(") Z "))
}

/// The peak so far, in KiB, once the child of `node` is the binary and no longer a copy of `node`.
fn native_peak(running: &Running) -> Option<u32> {
    let process = PathBuf::from(format!("/proc/{}", running.native_pid()?));
    let program = std::fs::read_link(process.join("exe")).ok()?;
    program.ends_with("feedbuild").then_some(())?;
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
