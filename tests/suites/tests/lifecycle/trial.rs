//! A world in which a step leaves nothing behind, and how that is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use feedbuild_agent::{Cancellation, Outcome, Running, Step, TaskResult};
use feedbuild_suites::canary::Searcher;
use feedbuild_suites::{Gate, PASSWORD, REGISTRY_ID, Store, TOKEN, World, unique};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// What a cancelled step may take: the agent waits for 7.5 s before it sends the second signal.
const PROMPTLY: Duration = Duration::from_secs(5);

/// What buildx itself keeps of every build and every use of a builder.
const KEPT_BY_BUILDX: [&str; 4] = ["buildx/.buildNodeID", "buildx/.lock", "buildx/activity", "buildx/refs"];

/// A world whose user has a login and a builder of their own.
pub(crate) struct Trial {
    pub(crate) world: World,
    token: String,
    password: String,
    /// What is in the user's docker config.
    config: BTreeMap<PathBuf, Vec<u8>>,
}

impl Trial {
    pub(crate) fn new(store: Store) -> Self {
        Self::around(World::new(store), TOKEN, PASSWORD)
    }

    /// A world with secrets of its own.
    pub(crate) fn with_secrets(store: Store, token: &str, password: &str) -> Self {
        Self::around(World::with_secrets(store, token, password), token, password)
    }

    fn around(world: World, token: &str, password: &str) -> Self {
        let login = r#"{"auths": {"other.example": {"auth": "c29tZWJvZHk6ZWxzZS1vZi1vdGhlcnM="}}}"#;
        std::fs::write(world.docker_config().join("config.json"), login).unwrap();
        world.docker(&["buildx", "create", "--name=mine", "--driver=remote", "--use", "tcp://127.0.0.1:1"]);
        let mut trial =
            Self { world, token: token.to_owned(), password: password.to_owned(), config: BTreeMap::new() };
        trial.config = trial.docker_config();
        trial
    }

    /// Gives the user this shell script for the buildx plugin, as [`World::use_plugin`].
    pub(crate) fn use_plugin(&mut self, script: &str) {
        self.world.use_plugin(script);
        self.config = self.docker_config();
    }

    /// Every file of the user's docker config and what it holds.
    fn docker_config(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let root = self.world.docker_config();
        let files = walkdir::WalkDir::new(&root).into_iter().map(Result::unwrap);
        let files = files.filter(|entry| entry.file_type().is_file());
        let all =
            files.map(|entry| (entry.path().strip_prefix(&root).unwrap().to_owned(), entry.into_path()));
        let is_kept = |path: &PathBuf| KEPT_BY_BUILDX.iter().any(|kept| path.starts_with(kept));
        all.filter(|(path, _)| !is_kept(path))
            .map(|(path, file)| (path, std::fs::read(file).unwrap()))
            .collect()
    }

    /// A step with two secrets and a login, whose build waits at the gate.
    pub(crate) fn step_at(&self, gate: &Gate) -> Step {
        let dockerfile = format!("{}/Dockerfile", unique("build"));
        let mounts = "--mount=type=secret,id=PIP_EXTRA_URL --mount=type=secret,id=netrc";
        let command = format!(
            "{} && grep -q password /run/secrets/netrc && echo it has its secrets | tr a-z A-Z",
            gate.command()
        );
        self.world.source(&dockerfile, &format!("FROM feedbuild-test/base\nRUN {mounts} {command}\n"));
        self.world
            .step()
            .input("command", "build")
            .input("repository", &unique("stopped"))
            .input("Dockerfile", &dockerfile)
            .input("artifactFeeds", "my-private-pypi")
            .input("onlyAddExtraIndex", "true")
            .input("containerRegistry", REGISTRY_ID)
            // An earlier gate may have been at the same port.
            .input("noCache", "true")
    }

    /// The docker clients that run for steps of this job, each by a descriptor that stays its own.
    pub(crate) fn clients(&self) -> Vec<OwnedFd> {
        let open = |pid: Pid| pidfd_open(pid, PidfdFlags::empty()).ok();
        self.client_pids().into_iter().filter_map(open).collect()
    }

    /// The same by their ids.
    pub(crate) fn client_pids(&self) -> Vec<Pid> {
        let config = format!("DOCKER_CONFIG={}/feedbuild-", self.world.job.temp_dir().display());
        let runs_for_us = |pid: &Pid| {
            let environment =
                std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable.starts_with(config.as_bytes()))
        };
        pids().into_iter().filter(runs_for_us).collect()
    }

    /// The private folders of runs of this job.
    pub(crate) fn private_folders(&self) -> Vec<PathBuf> {
        let entries = self.world.job.temp_dir().read_dir().unwrap().flatten().map(|entry| entry.path());
        // What was said stays for later steps, under the name that `Docker@2` has for it.
        entries.filter(|path| path.is_dir() && !path.ends_with("task_outputs")).collect()
    }

    /// The processes that have something to do with the job: its folder is in their arguments, in their environment, or
    /// among the files that they have open.
    fn process_ids(&self) -> Vec<Pid> {
        let folder = self.world.job.root_dir().display().to_string();
        // The test, and copies of it that are about to become another program.
        let own = std::env::current_exe().unwrap();
        let concerns = |pid: &Pid| {
            let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
            let read = |file| std::fs::read(process.join(file)).unwrap_or_default();
            let descriptors = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
            let open = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
            let all = [read("cmdline"), read("environ")].into_iter();
            let mut all = all.chain(open.map(|path| OsString::from(path).into_vec()));
            let is_own = std::fs::read_link(process.join("exe")).is_ok_and(|exe| exe == own);
            !is_own && all.any(|text| String::from_utf8_lossy(&text).contains(&folder))
        };
        pids().into_iter().filter(concerns).collect()
    }

    /// The same, each by a descriptor that stays its own.
    pub(crate) fn processes(&self) -> Vec<OwnedFd> {
        let open = |pid: Pid| pidfd_open(pid, PidfdFlags::empty()).ok();
        self.process_ids().into_iter().filter_map(open).collect()
    }

    fn no_process_runs(&self) {
        let arguments = |pid: Pid| std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
        let all: Vec<Vec<u8>> =
            self.process_ids().into_iter().map(|pid| arguments(pid).unwrap_or_default()).collect();
        let all: Vec<String> =
            all.iter().map(|arguments| String::from_utf8_lossy(arguments).replace('\0', " ")).collect();
        assert_eq!(all, Vec::<String>::new());
    }

    pub(crate) fn no_file_holds_a_secret(&self) {
        self.no_file_holds(&self.token);
        self.no_file_holds(&self.password);
    }

    /// No file of the job holds this secret, in any form.
    pub(crate) fn no_file_holds(&self, secret: &str) {
        let mut leaks = BTreeSet::new();
        Searcher::new([("secret", secret)]).tree(self.world.job.root_dir(), &mut leaks);
        assert!(leaks.is_empty(), "{leaks:#?}");
    }

    /// The checks that hold however a step ended.
    pub(crate) fn nothing_stays(&self, outcome: &Outcome) {
        self.no_process_runs();
        assert_eq!(self.private_folders(), Vec::<PathBuf>::new());
        assert!(!outcome.output_left_open, "a process still holds the step's output");
        self.no_file_holds_a_secret();
        self.the_users_config_is_untouched();
    }

    pub(crate) fn the_users_config_is_untouched(&self) {
        let names = |config: &BTreeMap<PathBuf, Vec<u8>>| config.keys().cloned().collect::<Vec<_>>();
        let now = self.docker_config();
        assert_eq!(names(&now), names(&self.config));
        let changed: Vec<_> = now.iter().filter(|(path, content)| self.config[*path] != **content).collect();
        assert!(changed.is_empty(), "{changed:?}");
    }
}

/// Every process of the machine.
fn pids() -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// Waits until all of these processes have ended, of which there is one at least.
pub(crate) fn end_of(processes: &[OwnedFd]) {
    assert!(!processes.is_empty(), "none ran");
    all_ended(processes);
}

/// Waits until all of these processes have ended.
pub(crate) fn all_ended(processes: &[OwnedFd]) {
    let limit = Timespec::try_from(PROMPTLY).unwrap();
    for process in processes {
        let ended = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&limit)).unwrap();
        assert!(ended > 0, "a process still runs");
    }
}

pub(crate) fn native(running: &Running) -> Pid {
    running.native_pid().and_then(|pid| Pid::from_raw(pid.cast_signed())).unwrap()
}

pub(crate) fn kill_native(running: &Running) {
    kill_process(native(running), Signal::KILL).unwrap();
}

pub(crate) fn said_that_it_was_cancelled(outcome: &Outcome) {
    let results: Vec<&String> = outcome.raw.iter().filter(|line| line.contains("task.complete")).collect();
    assert_eq!(results, ["##vso[task.complete result=Canceled;]"], "the log:\n{}", outcome.log_text());
    assert!(outcome.log.iter().any(|line| line == "The run was cancelled; what was running was stopped."));
}

pub(crate) fn cancelled_at_once(outcome: &Outcome) {
    assert_eq!(outcome.result, TaskResult::Canceled);
    let Some(Cancellation { signal, took }) = outcome.cancellation else { panic!("it was cancelled") };
    assert!(signal == Signal::INT && took < PROMPTLY, "{signal:?} was needed, after {took:?}");
    said_that_it_was_cancelled(outcome);
    assert!(outcome.errors() == ["The operation was canceled."], "{:?}", outcome.errors());
    assert_eq!(outcome.summaries(), Vec::<String>::new());
}
