//! Steps that are cancelled.

use std::time::Duration;

use feedbuild_agent::TaskResult;
use feedbuild_sandbox::Fault;
use feedbuild_suites::{Client, Gate, REGISTRY_ID, Store, unique};
use rustix::process::Signal;

use crate::trial::{Trial, cancelled_at_once, end_of, said_that_it_was_cancelled};

#[test]
fn a_cancel_stops_the_build_and_cleans_up() {
    let (trial, gate) = (Trial::new(Store::Containerd), Gate::new());
    let running = trial.step_at(&gate).start().unwrap();
    let waiting = gate.reached();
    assert_eq!(trial.clients().len(), 1);
    let outcome = running.cancel().unwrap();
    cancelled_at_once(&outcome);
    trial.nothing_stays(&outcome);
    waiting.killed();
}

#[test]
fn a_cancel_stops_a_client_without_buildx_too() {
    let (trial, gate) = (Trial::new(Store::Classic), Gate::new());
    trial.world.use_client(Client::Legacy);
    let running = trial.step_at(&gate).start().unwrap();
    let waiting = gate.reached();
    let outcome = running.cancel().unwrap();
    cancelled_at_once(&outcome);
    trial.nothing_stays(&outcome);
    waiting.killed();
}

#[test]
fn a_client_that_hears_no_signal_is_killed() {
    let mut trial = Trial::new(Store::Containerd);
    trial.use_plugin("trap '' INT TERM\necho it is deaf\nsleep 600");
    let running = trial.step_at(&Gate::new()).start().unwrap();
    running.wait_for_line("it is deaf", Duration::from_mins(1)).unwrap();
    let clients = trial.clients();
    let outcome = running.cancel().unwrap();
    end_of(&clients);
    cancelled_at_once(&outcome);
    trial.nothing_stays(&outcome);
}

#[test]
fn sigterm_does_the_same() {
    let (trial, gate) = (Trial::new(Store::Classic), Gate::new());
    let running = trial.step_at(&gate).start().unwrap();
    let waiting = gate.reached();
    running.signal(Signal::TERM).unwrap();
    let outcome = running.wait().unwrap();
    assert_eq!(outcome.result, TaskResult::Canceled);
    said_that_it_was_cancelled(&outcome);
    trial.nothing_stays(&outcome);
    waiting.killed();
}

#[test]
fn a_cancel_while_the_feeds_are_looked_up() {
    let (trial, gate) = (Trial::new(Store::Containerd), Gate::new());
    trial.world.sandbox.set_latency(Duration::from_mins(10));
    let running = trial.step_at(&gate).start().unwrap();
    trial.world.sandbox.wait_for("", 1, Duration::from_mins(1));
    let outcome = running.cancel().unwrap();
    cancelled_at_once(&outcome);
    trial.nothing_stays(&outcome);
}

#[test]
fn a_cancel_during_the_push() {
    for store in [Store::Containerd, Store::Classic] {
        let trial = Trial::new(store);
        let manifest = "PUT /v2/*/manifests/";
        trial.world.registry.fault(manifest, Fault::Delay(Duration::from_mins(10)), usize::MAX);
        let running = trial
            .world
            .build_step("FROM feedbuild-test/base\nRUN true\n")
            .input("command", "buildAndPush")
            .input("containerRegistry", REGISTRY_ID)
            .input("repository", &unique("cancelled"))
            .start()
            .unwrap();
        trial.world.registry.wait_for(manifest, 1, Duration::from_mins(1));
        let outcome = running.cancel().unwrap();
        cancelled_at_once(&outcome);
        trial.nothing_stays(&outcome);
        assert_eq!(outcome.output_variables, []);
    }
}
