//! How the agent ends a step, and what it makes of a step that ended in another way.

use std::time::Duration;

use crate::support::{LIMIT, step};
use feedbuild_agent::{Outcome, TaskResult};
use rustix::process::{Pid, Signal, kill_process};

fn cancelled(script: &str) -> Outcome {
    let running =
        step(&format!("{script}; console.log('ready'); setTimeout(() => {{}}, 1e6)")).start().unwrap();
    running.wait_for_line("ready", LIMIT).unwrap();
    running.cancel().unwrap()
}

#[test]
fn a_task_that_obeys_is_cancelled_by_the_first_signal() {
    let outcome = cancelled("process.on('SIGINT', () => { console.log('bye'); process.exit(0); })");
    let cancellation = outcome.cancellation.unwrap();
    assert_eq!((outcome.result, cancellation.signal), (TaskResult::Canceled, Signal::INT));
    assert!(cancellation.took < Duration::from_millis(7500), "{cancellation:?}");
    assert_eq!(outcome.raw, ["ready", "bye"]);
    assert_eq!(outcome.errors(), ["The operation was canceled."]);
}

#[test]
fn what_a_cancelled_task_says_of_its_result_does_not_count() {
    let outcome = cancelled(
        "process.on('SIGINT', () => { console.log('##vso[task.complete result=Succeeded]'); process.exit(0); })",
    );
    assert_eq!(outcome.result, TaskResult::Canceled);
}

#[test]
fn a_task_that_ignores_the_first_signal_gets_the_second() {
    let outcome = cancelled("process.on('SIGINT', () => console.log('no'))");
    let cancellation = outcome.cancellation.unwrap();
    assert_eq!((outcome.result, cancellation.signal), (TaskResult::Canceled, Signal::TERM));
    assert!(cancellation.took >= Duration::from_millis(7500), "{cancellation:?}");
    assert_eq!(outcome.raw, ["ready", "no"]);
}

#[test]
fn a_task_that_ignores_both_is_killed() {
    let outcome = cancelled(
        "for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => console.log(signal))",
    );
    let cancellation = outcome.cancellation.unwrap();
    assert_eq!((outcome.result, cancellation.signal), (TaskResult::Canceled, Signal::KILL));
    assert!(cancellation.took >= Duration::from_secs(10), "{cancellation:?}");
    assert_eq!(outcome.raw, ["ready", "SIGINT", "SIGTERM"]);
}

#[test]
fn a_process_that_holds_the_output_is_waited_for_only_so_long() {
    let outcome = step(
        "const child = require('child_process').spawn('sleep', ['1000'], { stdio: 'inherit' }); console.log(child.pid); child.unref()",
    )
    .run()
    .unwrap();
    let left = Pid::from_raw(outcome.raw[0].parse().unwrap()).unwrap();
    kill_process(left, Signal::KILL).unwrap();
    assert!(outcome.output_left_open);
    assert!(outcome.elapsed >= Duration::from_secs(5), "{:?}", outcome.elapsed);
    assert_eq!(outcome.result, TaskResult::Succeeded);
}

#[test]
fn the_child_of_node_is_found() {
    let running = step(
        "const child = require('child_process').spawn('cat'); console.log('child', child.pid); child.on('exit', () => {})",
    )
    .start()
    .unwrap();
    let line = running.wait_for_line("child", LIMIT).unwrap();
    assert_eq!(line, format!("child {}", running.native_pid().unwrap()));
    // `cat` ends with the pipe that node held.
    running.kill_launcher().unwrap();
    assert_eq!(running.wait().unwrap().result, TaskResult::Failed);
}

#[test]
fn waiting_for_a_line_ends_with_the_step_or_the_limit() {
    let ended = step("console.log('other')").start().unwrap();
    let error = ended.wait_for_line("never", LIMIT).unwrap_err().to_string();
    assert!(error.contains("before the step ended") && error.contains("other"), "{error}");

    let running = step("setTimeout(() => {}, 1e6)").start().unwrap();
    let error = running.wait_for_line("never", Duration::from_millis(50)).unwrap_err().to_string();
    assert!(error.contains("in time"), "{error}");
}
