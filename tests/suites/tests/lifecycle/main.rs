//! How a step ends before its time: cancelled, or killed with or without its launcher. Nothing of it may stay.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod environment;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use feedbuild_agent::{Cancellation, Outcome, Running, Step, TaskResult};
use feedbuild_sandbox::Fault;
use feedbuild_suites::{
    Client, Gate, PASSWORD, REGISTRY_ID, Store, TOKEN, Waiting, World, only_error, succeeded, unique,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// What a cancelled step may take.
const PROMPTLY: Duration = Duration::from_secs(5);

/// A step with two secrets and a login, whose build waits at the gate.
fn step_at(world: &World, gate: &Gate) -> Step {
    let dockerfile = format!("{}/Dockerfile", unique("build"));
    let mounts = "--mount=type=secret,id=PIP_EXTRA_URL --mount=type=secret,id=netrc";
    let command = format!(
        "{} && grep -q password /run/secrets/netrc && echo it has its secrets | tr a-z A-Z",
        gate.command()
    );
    world.source(&dockerfile, &format!("FROM feedbuild-test/base\nRUN {mounts} {command}\n"));
    world
        .step()
        .input("command", "build")
        .input("repository", &unique("stopped"))
        .input("Dockerfile", &dockerfile)
        .input("artifactFeeds", "my-private-pypi")
        .input("onlyAddExtraIndex", "true")
        .input("containerRegistry", REGISTRY_ID)
}

/// The docker clients that run for steps of this job, each by a descriptor that stays its own.
fn clients(world: &World) -> Vec<OwnedFd> {
    let config = format!("DOCKER_CONFIG={}/feedbuild-", world.job.temp_dir().display());
    let runs_for_us = |pid: &str| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable.starts_with(config.as_bytes()))
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| process.file_name().into_string().ok())
        .filter(|pid| runs_for_us(pid))
        .filter_map(|pid| pidfd_open(Pid::from_raw(pid.parse().ok()?)?, PidfdFlags::empty()).ok())
        .collect()
}

/// Waits until all of them have ended.
fn end_of(clients: &[OwnedFd]) {
    assert!(!clients.is_empty(), "no client ran");
    let limit = Timespec::try_from(PROMPTLY).unwrap();
    for client in clients {
        let ended = poll(&mut [PollFd::new(client, PollFlags::IN)], Some(&limit)).unwrap();
        assert!(ended > 0, "a docker client still runs");
    }
}

/// The private folders of runs of this job.
fn private_folders(world: &World) -> Vec<PathBuf> {
    let entries = world.job.temp_dir().read_dir().unwrap().flatten().map(|entry| entry.path());
    // What was said stays for later steps, under the name that `Docker@2` has for it.
    entries.filter(|path| path.is_dir() && !path.ends_with("task_outputs")).collect()
}

fn no_file_holds_a_secret(world: &World) {
    let mut folders = vec![world.job.root_dir().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let content = std::fs::read(entry.path()).unwrap();
                let text = String::from_utf8_lossy(&content);
                assert!(!text.contains(TOKEN) && !text.contains(PASSWORD), "{}", entry.path().display());
                files += 1;
            }
        }
    }
    assert!(files > 0, "there are files to look into");
}

/// The checks that hold however a step was stopped.
fn nothing_stays(world: &World, outcome: &Outcome) {
    assert!(clients(world).is_empty(), "a docker client still runs");
    assert_eq!(private_folders(world), Vec::<PathBuf>::new());
    assert!(!outcome.output_left_open, "a process still holds the step's output");
    no_file_holds_a_secret(world);
}

fn said_that_it_was_cancelled(outcome: &Outcome) {
    let results: Vec<&String> = outcome.raw.iter().filter(|line| line.contains("task.complete")).collect();
    assert_eq!(results, ["##vso[task.complete result=Canceled;]"], "the log:\n{}", outcome.log_text());
    assert!(outcome.log.iter().any(|line| line == "The run was cancelled; what was running was stopped."));
}

fn cancelled_at_once(outcome: &Outcome) {
    assert_eq!(outcome.result, TaskResult::Canceled);
    let Some(Cancellation { signal, took }) = outcome.cancellation else { panic!("it was cancelled") };
    assert!(signal == Signal::INT && took < PROMPTLY, "{signal:?} was needed, after {took:?}");
    said_that_it_was_cancelled(outcome);
    assert!(outcome.errors() == ["The operation was canceled."], "{:?}", outcome.errors());
    assert_eq!(outcome.summaries(), Vec::<String>::new());
}

#[test]
fn a_cancel_stops_the_build_and_cleans_up() {
    let (world, gate) = (World::new(Store::Containerd), Gate::new());
    let running = step_at(&world, &gate).start().unwrap();
    let waiting = gate.reached();
    assert_eq!(clients(&world).len(), 1);
    let outcome = running.cancel().unwrap();
    cancelled_at_once(&outcome);
    nothing_stays(&world, &outcome);
    waiting.killed();
}

#[test]
fn a_cancel_stops_a_client_without_buildx_too() {
    let (world, gate) = (World::new(Store::Classic), Gate::new());
    world.use_client(Client::Legacy);
    let running = step_at(&world, &gate).start().unwrap();
    let waiting = gate.reached();
    let outcome = running.cancel().unwrap();
    cancelled_at_once(&outcome);
    nothing_stays(&world, &outcome);
    waiting.killed();
}

#[test]
fn a_client_that_hears_no_signal_is_killed() {
    let world = World::new(Store::Containerd);
    world.use_plugin("trap '' INT TERM\necho it is deaf\nsleep 600");
    let running = step_at(&world, &Gate::new()).start().unwrap();
    running.wait_for_line("it is deaf", Duration::from_mins(1)).unwrap();
    let clients = clients(&world);
    let outcome = running.cancel().unwrap();
    end_of(&clients);
    cancelled_at_once(&outcome);
    nothing_stays(&world, &outcome);
}

#[test]
fn sigterm_does_the_same() {
    let (world, gate) = (World::new(Store::Classic), Gate::new());
    let running = step_at(&world, &gate).start().unwrap();
    let waiting = gate.reached();
    running.signal(Signal::TERM).unwrap();
    let outcome = running.wait().unwrap();
    assert_eq!(outcome.result, TaskResult::Canceled);
    said_that_it_was_cancelled(&outcome);
    nothing_stays(&world, &outcome);
    waiting.killed();
}

#[test]
fn a_killed_launcher_takes_the_build_with_it() {
    let (world, gate) = (World::new(Store::Containerd), Gate::new());
    let running = step_at(&world, &gate).start().unwrap();
    let waiting = gate.reached();
    let clients = clients(&world);
    running.kill_launcher().unwrap();
    let outcome = running.wait().unwrap();
    end_of(&clients);
    waiting.killed();
    assert_eq!(outcome.result, TaskResult::Failed);
    said_that_it_was_cancelled(&outcome);
    nothing_stays(&world, &outcome);
}

#[test]
fn a_killed_binary_is_a_failure_and_the_post_job_stage_cleans_up() {
    let (world, gate) = (World::new(Store::Containerd), Gate::new());
    let step = step_at(&world, &gate);
    let running = step.start().unwrap();
    let waiting = gate.reached();
    let clients = clients(&world);
    kill_native(&running);
    let outcome = running.wait().unwrap();
    end_of(&clients);
    waiting.killed();
    let binary = step.task_dir().join("bin/linux-x64/feedbuild").display().to_string();
    assert_eq!(
        only_error(&outcome).replace(&binary, "BINARY"),
        "`BINARY run` was killed by SIGKILL without a result\n\nhint: look for an out-of-memory kill in the machine's \
         kernel log: `dmesg`"
    );
    // What could not be removed holds no secret, and the post-job stage removes it.
    assert_eq!(private_folders(&world).len(), 1);
    no_file_holds_a_secret(&world);
    let post_job = succeeded(step.run_post_job().unwrap());
    assert_eq!(post_job.log, ["Removed what 1 interrupted run(s) left"]);
    nothing_stays(&world, &post_job);
}

#[test]
fn a_client_that_says_nothing_dies_with_a_killed_binary() {
    let world = World::new(Store::Containerd);
    // One that prints would end by itself, at the closed pipe.
    // It starts nothing after its line: for an instant, a program that begins shows no environment.
    world.use_plugin(
        "mkfifo \"$DOCKER_CONFIG/never\"; echo it is silent; read -r _ <>\"$DOCKER_CONFIG/never\"",
    );
    let running = step_at(&world, &Gate::new()).start().unwrap();
    running.wait_for_line("it is silent", Duration::from_mins(1)).unwrap();
    let clients = clients(&world);
    kill_native(&running);
    end_of(&clients);
    assert_eq!(running.wait().unwrap().result, TaskResult::Failed);
}

fn kill_native(running: &Running) {
    let native = running.native_pid().and_then(|pid| Pid::from_raw(pid.cast_signed())).unwrap();
    kill_process(native, Signal::KILL).unwrap();
}

#[test]
fn a_post_job_stage_without_a_main_stage_has_nothing_to_do() {
    let world = World::new(Store::Containerd);
    let outcome = succeeded(world.step().run_post_job().unwrap());
    assert_eq!(outcome.raw, Vec::<String>::new());
}

#[test]
fn a_post_job_stage_after_a_good_run_has_nothing_to_do() {
    let world = World::new(Store::Containerd);
    let step = world.build_step("FROM feedbuild-test/base\nRUN true\n");
    let outcome = succeeded(step.run().unwrap());
    nothing_stays(&world, &outcome);
    assert_eq!(succeeded(step.run_post_job().unwrap()).raw, Vec::<String>::new());
}

#[test]
fn two_steps_of_a_job_may_run_at_once() {
    let (world, gates) = (World::new(Store::Containerd), [Gate::new(), Gate::new()]);
    let running: Vec<Running> = gates.iter().map(|gate| step_at(&world, gate).start().unwrap()).collect();
    let waiting: Vec<Waiting> = gates.iter().map(Gate::reached).collect();
    assert_eq!((clients(&world).len(), private_folders(&world).len()), (2, 2));
    drop(waiting);
    for running in running {
        let outcome = succeeded(running.wait().unwrap());
        assert!(
            outcome.log.iter().any(|line| line.ends_with(" IT HAS ITS SECRETS")),
            "{}",
            outcome.log_text()
        );
    }
    assert_eq!(private_folders(&world), Vec::<PathBuf>::new());
}

#[test]
fn a_step_may_be_tried_again() {
    let world = World::new(Store::Containerd);
    world.sandbox.fault("…/packaging/feeds", Fault::Status(404), 1);
    let step = world
        .build_step("FROM feedbuild-test/base\nRUN --mount=type=secret,id=FEED_TOKEN test -s /run/secrets/FEED_TOKEN\n")
        .input("artifactFeeds", "my-private-pypi")
        .input("noCache", "true");
    let first = step.run().unwrap();
    assert_eq!(first.result, TaskResult::Failed, "{}", first.log_text());
    nothing_stays(&world, &first);
    let second = succeeded(step.run().unwrap());
    nothing_stays(&world, &second);
}

#[test]
fn a_cancel_while_the_feeds_are_looked_up() {
    let (world, gate) = (World::new(Store::Containerd), Gate::new());
    world.sandbox.set_latency(Duration::from_mins(10));
    let running = step_at(&world, &gate).start().unwrap();
    world.sandbox.wait_for("", 1, Duration::from_mins(1));
    let outcome = running.cancel().unwrap();
    cancelled_at_once(&outcome);
    nothing_stays(&world, &outcome);
}

#[test]
fn a_cancel_during_the_push() {
    for store in [Store::Containerd, Store::Classic] {
        let world = World::new(store);
        let manifest = "PUT /v2/*/manifests/";
        world.registry.fault(manifest, Fault::Delay(Duration::from_mins(10)), usize::MAX);
        let running = world
            .build_step("FROM feedbuild-test/base\nRUN true\n")
            .input("command", "buildAndPush")
            .input("containerRegistry", REGISTRY_ID)
            .input("repository", &unique("cancelled"))
            .start()
            .unwrap();
        world.registry.wait_for(manifest, 1, Duration::from_mins(1));
        let outcome = running.cancel().unwrap();
        cancelled_at_once(&outcome);
        nothing_stays(&world, &outcome);
        assert_eq!(outcome.output_variables, []);
    }
}
