//! No core dump holds a secret, whatever the machine does with one (`core_pattern`).

use std::os::unix::process::ExitStatusExt as _;

use feedbuild_agent::Running;
use feedbuild_suites::{Gate, Store, World, executable, variable};
use rustix::process::{Pid, Signal, kill_process};

use crate::trial::{Trial, kill_native, native};

/// Lets the agent start this script in the place of `node`, with core dumps of any size. (Other shells drop variables
/// whose names are no words, as those of service connections.)
fn start_by(world: &World, script: &str) {
    let folder = world.job.root_dir().join("starter");
    executable(&folder.join("node"), &format!("#!/bin/bash\nulimit -c unlimited\n{script}\n"));
    let client = std::path::Path::new(&variable("FEEDBUILD_TEST_CLIENT")).join("bin");
    world.set_path(&[&folder, &client]);
}

/// Of a process: which kinds of memory a dump of it has, and how large one may be.
fn dumps(pid: Pid) -> (String, String) {
    let read = |file| std::fs::read_to_string(format!("/proc/{}/{file}", pid.as_raw_nonzero())).unwrap();
    let limits = read("limits");
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    (read("coredump_filter").trim().to_owned(), core.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn launcher(running: &Running) -> Pid {
    Pid::from_raw(running.launcher_pid().cast_signed()).unwrap()
}

#[test]
fn no_process_with_secrets_is_dumped() {
    let (trial, gate) = (Trial::new(Store::Containerd), Gate::new());
    start_by(&trial.world, &format!("exec {} \"$@\"", node()));
    let running = trial.step_at(&gate).start().unwrap();
    let waiting = gate.reached();
    // One byte is too little for a file, and the one limit at which nothing is piped to a program.
    let none = || ("00000000".to_owned(), "1 1 bytes".to_owned());
    assert_eq!(dumps(native(&running)), none());
    let clients = trial.client_pids();
    assert_eq!(clients.into_iter().map(dumps).collect::<Vec<_>>(), [none()]);
    // Node cannot set a limit, but leave out all memory.
    assert_eq!(dumps(launcher(&running)), ("00000000".to_owned(), "unlimited unlimited bytes".to_owned()));
    kill_native(&running);
    running.wait().unwrap();
    waiting.killed();
    trial.no_file_holds_a_secret();
}

#[test]
fn a_crash_leaves_no_dump() {
    // The runtime hears the signal of a segmentation fault first and lets the faulting instruction run again.
    for signal in [Signal::ABORT, Signal::ILL] {
        let (trial, gate) = (Trial::new(Store::Containerd), Gate::new());
        // The binary itself in the place of the launcher, so that the agent learns whether it was dumped.
        start_by(
            &trial.world,
            "cd \"${1%/*}\" && chmod +x bin/*/feedbuild && exec bin/linux-x64/feedbuild run",
        );
        let running = trial.step_at(&gate).start().unwrap();
        let waiting = gate.reached();
        kill_process(launcher(&running), signal).unwrap();
        let outcome = running.wait().unwrap();
        assert_eq!((outcome.exit.signal(), outcome.exit.core_dumped()), (Some(signal.as_raw()), false));
        waiting.killed();
        trial.no_file_holds_a_secret();
    }
}

/// The `node` of the test's own `PATH`.
pub(crate) fn node() -> String {
    let path = std::env::var("PATH").unwrap();
    let node = std::env::split_paths(&path).map(|folder| folder.join("node")).find(|node| node.is_file());
    node.unwrap().display().to_string()
}
