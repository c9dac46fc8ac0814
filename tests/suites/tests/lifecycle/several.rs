//! Several steps, several stages of one, and several agents.

use std::path::PathBuf;

use feedbuild_agent::{Running, TaskResult};
use feedbuild_sandbox::Fault;
use feedbuild_suites::canary::canary;
use feedbuild_suites::reveal::{reveal, texts};
use feedbuild_suites::{Gate, Store, Waiting, succeeded};

use crate::trial::Trial;

#[test]
fn two_agents_on_one_engine_have_nothing_in_common() {
    for store in [Store::Containerd, Store::Classic] {
        let tokens = ["one", "two"].map(canary);
        let trials = tokens.each_ref().map(|token| Trial::with_secrets(store, token, &canary("password")));
        let gates = [Gate::new(), Gate::new()];
        // The engine has one cache for both, and what a secret holds is no part of its key.
        let dockerfile = |gate: &Gate| {
            let wait = format!("FROM feedbuild-test/base\nRUN {}\n", gate.command());
            wait + &reveal(&["FEED_TOKEN"])
        };
        let running: Vec<Running> = (trials.iter().zip(&gates))
            .map(|(trial, gate)| {
                let step = trial.world.build_step(&dockerfile(gate));
                step.input("artifactFeeds", "my-private-pypi").input("noCache", "true").start().unwrap()
            })
            .collect();
        let waiting: Vec<Waiting> = gates.iter().map(Gate::reached).collect();
        for trial in &trials {
            assert_eq!((trial.clients().len(), trial.private_folders().len()), (1, 1));
        }
        drop(waiting);
        for ((running, trial), token) in running.into_iter().zip(&trials).zip(&tokens) {
            let outcome = succeeded(running.wait().unwrap());
            assert_eq!(texts(&outcome), [("FEED_TOKEN".to_owned(), token.clone())].into());
            trial.nothing_stays(&outcome);
            for other in &trials {
                other.no_file_holds(token);
            }
        }
    }
}

#[test]
fn two_steps_of_a_job_may_run_at_once() {
    let (trial, gates) = (Trial::new(Store::Containerd), [Gate::new(), Gate::new()]);
    let running: Vec<Running> = gates.iter().map(|gate| trial.step_at(gate).start().unwrap()).collect();
    let waiting: Vec<Waiting> = gates.iter().map(Gate::reached).collect();
    assert_eq!((trial.clients().len(), trial.private_folders().len()), (2, 2));
    drop(waiting);
    for running in running {
        let outcome = succeeded(running.wait().unwrap());
        assert!(
            outcome.log.iter().any(|line| line.ends_with(" IT HAS ITS SECRETS")),
            "{}",
            outcome.log_text()
        );
    }
    assert_eq!(trial.private_folders(), Vec::<PathBuf>::new());
}

#[test]
fn a_step_may_be_tried_again() {
    let trial = Trial::new(Store::Containerd);
    trial.world.sandbox.fault("…/packaging/feeds", Fault::Status(404), 1);
    let step = trial.world
        .build_step("FROM feedbuild-test/base\nRUN --mount=type=secret,id=FEED_TOKEN test -s /run/secrets/FEED_TOKEN\n")
        .input("artifactFeeds", "my-private-pypi")
        .input("noCache", "true");
    let first = step.run().unwrap();
    assert_eq!(first.result, TaskResult::Failed, "{}", first.log_text());
    trial.nothing_stays(&first);
    let second = succeeded(step.run().unwrap());
    trial.nothing_stays(&second);
}

#[test]
fn a_post_job_stage_without_a_main_stage_has_nothing_to_do() {
    let trial = Trial::new(Store::Containerd);
    let outcome = succeeded(trial.world.step().run_post_job().unwrap());
    assert_eq!(outcome.raw, Vec::<String>::new());
}

#[test]
fn a_post_job_stage_after_a_good_run_has_nothing_to_do() {
    let trial = Trial::new(Store::Containerd);
    let step = trial.world.build_step("FROM feedbuild-test/base\nRUN true\n");
    let outcome = succeeded(step.run().unwrap());
    trial.nothing_stays(&outcome);
    assert_eq!(succeeded(step.run_post_job().unwrap()).raw, Vec::<String>::new());
}
