//! Steps of which a process is killed.

use std::io::Write as _;
use std::time::Duration;

use feedbuild_agent::TaskResult;
use feedbuild_suites::{Client, Gate, Store, only_error, succeeded};
use rustix::process::{Resource, Rlimit, Signal, kill_process, prlimit};

use crate::trial::{Trial, end_of, kill_native, native, said_that_it_was_cancelled};

#[test]
fn a_killed_client_is_a_failure() {
    for (store, client) in [(Store::Containerd, Client::Buildx), (Store::Classic, Client::Legacy)] {
        let (trial, gate) = (Trial::new(store), Gate::new());
        trial.world.use_client(client);
        let running = trial.step_at(&gate).start().unwrap();
        let waiting = gate.reached();
        for client in trial.client_pids() {
            kill_process(client, Signal::KILL).unwrap();
        }
        let outcome = running.wait().unwrap();
        assert_eq!(
            only_error(&outcome),
            "the docker client was killed by SIGKILL during the build\n\nhint: look for an out-of-memory kill in the \
             machine's kernel log (`dmesg`), and give the agent more memory"
        );
        trial.nothing_stays(&outcome);
        waiting.killed();
    }
}

#[test]
fn a_binary_that_gets_no_more_memory_is_a_failure() {
    let mut trial = Trial::new(Store::Containerd);
    let pipe = trial.world.job.root_dir().join("pipe");
    // What has no end of line is kept until it has one.
    trial.use_plugin(&format!(
        "mkfifo {0}; echo it is ready; read -r _ <{0}; head -c 16M /dev/zero | tr '\\0' x",
        pipe.display()
    ));
    let step = trial.step_at(&Gate::new());
    let running = step.start().unwrap();
    running.wait_for_line("it is ready", Duration::from_mins(1)).unwrap();
    let (native, clients) = (native(&running), trial.clients());
    let sizes = std::fs::read_to_string(format!("/proc/{}/statm", native.as_raw_nonzero())).unwrap();
    let pages: u64 = sizes.split(' ').next().unwrap().parse().unwrap();
    let limit = Some(pages * rustix::param::page_size() as u64);
    prlimit(Some(native), Resource::As, Rlimit { current: limit, maximum: limit }).unwrap();
    std::fs::OpenOptions::new().write(true).open(&pipe).unwrap().write_all(b"go\n").unwrap();
    let outcome = running.wait().unwrap();
    end_of(&clients);
    let binary = step.task_dir().join("bin/linux-x64/feedbuild").display().to_string();
    assert_eq!(
        only_error(&outcome).replace(&binary, "BINARY"),
        "`BINARY run` was killed by SIGABRT without a result\n\nhint: the lines before this one say why; if no memory was \
         left, give the agent more"
    );
    let says_why =
        |line: &String| line.starts_with("memory allocation of ") && line.ends_with(" bytes failed");
    assert!(outcome.log.iter().any(says_why), "{}", outcome.log_text());
    trial.no_file_holds_a_secret();
    let post_job = succeeded(step.run_post_job().unwrap());
    assert_eq!(post_job.log, ["Removed what 1 interrupted run(s) left"]);
    trial.nothing_stays(&post_job);
}

#[test]
fn a_killed_launcher_takes_the_build_with_it() {
    let (trial, gate) = (Trial::new(Store::Containerd), Gate::new());
    let running = trial.step_at(&gate).start().unwrap();
    let waiting = gate.reached();
    let clients = trial.clients();
    running.kill_launcher().unwrap();
    let outcome = running.wait().unwrap();
    end_of(&clients);
    waiting.killed();
    assert_eq!(outcome.result, TaskResult::Failed);
    said_that_it_was_cancelled(&outcome);
    trial.nothing_stays(&outcome);
}

#[test]
fn a_killed_binary_is_a_failure_and_the_post_job_stage_cleans_up() {
    let (trial, gate) = (Trial::new(Store::Containerd), Gate::new());
    let step = trial.step_at(&gate);
    let running = step.start().unwrap();
    let waiting = gate.reached();
    let clients = trial.clients();
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
    assert_eq!(trial.private_folders().len(), 1);
    trial.no_file_holds_a_secret();
    let post_job = succeeded(step.run_post_job().unwrap());
    assert_eq!(post_job.log, ["Removed what 1 interrupted run(s) left"]);
    trial.nothing_stays(&post_job);
}

#[test]
fn a_client_that_says_nothing_dies_with_a_killed_binary() {
    let mut trial = Trial::new(Store::Containerd);
    // One that prints would end by itself, at the closed pipe.
    // It starts nothing after its line: for an instant, a program that begins shows no environment.
    trial.use_plugin(
        "mkfifo \"$DOCKER_CONFIG/never\"; echo it is silent; read -r _ <>\"$DOCKER_CONFIG/never\"",
    );
    let running = trial.step_at(&Gate::new()).start().unwrap();
    running.wait_for_line("it is silent", Duration::from_mins(1)).unwrap();
    let clients = trial.clients();
    kill_native(&running);
    end_of(&clients);
    assert_eq!(running.wait().unwrap().result, TaskResult::Failed);
}
