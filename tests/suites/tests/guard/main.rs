//! The check between build and push: Dockerfiles that leak in every known way are found, clean ones raise no alarm.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod attestations;
mod corpus;

use feedbuild_agent::TaskResult;
use feedbuild_suites::Store;

use crate::corpus::{Case, Trial, cases};

/// Runs every case, on as many threads as there are cores, and returns what was wrong with each.
fn complaints(
    cases: Vec<Case>,
    trial: impl Fn() -> Trial + Sync,
    check: impl Fn(&Case, &Trial) -> Vec<String> + Sync,
) -> Vec<String> {
    let queue = std::sync::Mutex::new(cases);
    let complaints = std::sync::Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().unwrap().get();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let trial = trial();
                loop {
                    let Some(case) = queue.lock().unwrap().pop() else { break };
                    let found = check(&case, &trial);
                    let found = found.into_iter().map(|text| format!("{}: {text}", case.name));
                    complaints.lock().unwrap().extend(found);
                }
            });
        }
    });
    complaints.into_inner().unwrap()
}

/// Every expected place is an error on its line of the Dockerfile, nothing else is, and no value is shown.
fn leak_is_found(case: &Case, trial: &Trial) -> Vec<String> {
    let outcome = trial.run(case);
    let mut wrong = Vec::new();
    if outcome.result != TaskResult::Failed {
        wrong.push(format!("the step did not fail:\n{}", outcome.log_text()));
    }
    let issues: Vec<_> = outcome.issues.iter().collect();
    let property = |issue: &feedbuild_agent::Issue, name: &str| {
        issue
            .properties
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    for (line, place) in &case.leaks {
        let is_there = issues.iter().any(|issue| {
            let is_on_line = match line.as_str() {
                "-" => true,
                line => {
                    property(issue, "linenumber") == line
                        && property(issue, "sourcepath").ends_with("Dockerfile")
                }
            };
            is_on_line && issue.message.contains(place.as_str())
        });
        if !is_there {
            let found: Vec<String> = issues
                .iter()
                .map(|issue| format!("{}: {}", property(issue, "linenumber"), issue.message))
                .collect();
            let errors = outcome.errors().join("\n");
            wrong.push(format!("no error on line {line} about `{place}` in {found:#?}; errors: {errors}"));
        }
    }
    if outcome.output("imageReferences").is_some() {
        wrong.push("the image has a name".to_owned());
    }
    let shown = outcome.raw.iter().filter(|line| !line.contains("task.setsecret"));
    wrong.extend(
        shown.filter(|line| trial.holds_a_secret(line)).map(|line| format!("a secret is shown: {line}")),
    );
    wrong
}

fn clean_raises_no_alarm(case: &Case, trial: &Trial) -> Vec<String> {
    let outcome = trial.run(case);
    if outcome.result == TaskResult::Succeeded && outcome.issues.is_empty() {
        return Vec::new();
    }
    vec![format!("{:#?}\n{}", outcome.issues, outcome.log_text())]
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

fn every_case(kind: &str, store: Store, check: impl Fn(&Case, &Trial) -> Vec<String> + Sync) {
    assert_none(&complaints(cases(kind), || Trial::new(store), check));
}

#[test]
fn every_leak_is_found_in_the_containerd_store() {
    every_case("leaking", Store::Containerd, leak_is_found);
}

#[test]
fn every_leak_is_found_in_the_classic_store() {
    every_case("leaking", Store::Classic, leak_is_found);
}

/// An engine whose files are not on this machine has to send the image.
#[test]
fn leaks_are_found_in_the_stream_of_an_engine() {
    for store in [Store::Containerd, Store::Classic] {
        let some = cases("leaking").into_iter().step_by(9).collect();
        assert_none(&complaints(some, || Trial::behind_a_relay(store), leak_is_found));
    }
}

#[test]
fn nothing_clean_raises_an_alarm_in_the_containerd_store() {
    every_case("clean", Store::Containerd, clean_raises_no_alarm);
}

#[test]
fn nothing_clean_raises_an_alarm_in_the_classic_store() {
    every_case("clean", Store::Classic, clean_raises_no_alarm);
}
