//! `feedbuild guard`, by which a child ends with the step on macOS; it is the same code on every Unix.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};

use feedbuild_platforms::binary;
use feedbuild_suites::executable;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Guards a shell script, as a child of this process.
fn start(script: &str) -> Child {
    let mut command = Command::new(binary("linux-x64"));
    command.arg("guard").arg(std::process::id().to_string()).args(["sh", "-c", script]);
    command.process_group(0).stdout(Stdio::piped()).spawn().unwrap()
}

fn first_line(child: &mut Child) -> (String, BufReader<std::process::ChildStdout>) {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    (line, lines)
}

#[test]
fn it_ends_as_the_program_ends() {
    assert_eq!(start("exit 7").wait().unwrap().code(), Some(7));
    assert_eq!(start("kill -TERM $$").wait().unwrap().signal(), Some(9));
}

#[test]
fn a_signal_to_the_group_is_the_programs_to_answer() {
    let mut child = start("trap 'echo cleaned; exit 3' INT; echo ready; while :; do sleep 0.01; done");
    let (line, mut lines) = first_line(&mut child);
    assert_eq!(line, "ready\n");
    kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("cleaned\n", Some(3)));
}

#[test]
fn the_program_and_all_that_it_started_end_with_the_parent() {
    let folder = tempfile::tempdir().unwrap();
    let (parent, program) = (folder.path().join("parent"), binary("linux-x64"));
    executable(
        &parent,
        &format!("#!/bin/sh\n{} guard $$ sh -c 'sleep 1000 & echo ready; wait' &\nwait\n", program.display()),
    );
    let mut child = Command::new(parent).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
    let (line, mut lines) = first_line(&mut child);
    assert_eq!(line, "ready\n");
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    // The end of the stream: nobody holds it any more, the grandchild included.
    assert_eq!(lines.read_to_string(&mut String::new()).unwrap(), 0);
}

#[test]
fn a_program_whose_parent_is_gone_already_does_not_stay() {
    let mut command = Command::new(binary("linux-x64"));
    let status = command.args(["guard", "1", "sleep", "1000"]).process_group(0).status().unwrap();
    assert_eq!(status.signal(), Some(9));
}
