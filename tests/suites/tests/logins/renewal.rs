//! Logins that end before the step does.

use std::time::Instant;

use feedbuild_sandbox::Fault;
use feedbuild_suites::{Gate, Waiting};

use super::*;

const OIDC: &str = "POST …/oidctoken";
const EXCHANGE: &str = "POST /oauth2/exchange";

const NO_LOGIN: &str = "registry `REGISTRY` gave no login to the service connection in `containerRegistry` (scheme \
                        `WorkloadIdentityFederation`)\n  caused by: Azure DevOps gave no id token for the service \
                        connection in `containerRegistry` (401)\n\nhint: authorize this pipeline to use the service \
                        connection (its page > Security > Pipeline permissions)";

/// A step that stands at the gate during its build.
fn gated(azure: &Azure, gate: &Gate, repository: &str) -> Step {
    let dockerfile =
        format!("FROM feedbuild-test/base\nRUN echo {repository} >/name\nRUN {}\n", gate.command());
    azure
        .world
        .build_step(&dockerfile)
        .input("noCache", "true")
        .input("command", "buildAndPush")
        .input("repository", repository)
        .input("tags", "1,2")
        .input("containerRegistry", AZURE)
}

/// Lets the build go on once a login of this life that was made before is none any more.
fn open_after(life: Duration, waiting: Waiting) {
    let start = Instant::now();
    until(|| (start.elapsed() > life).then_some(()));
    drop(waiting);
}

/// Asks again and again until there is an answer.
fn until<T>(question: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(start.elapsed() < MINUTE, "no answer in a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_login_that_ended_during_the_build_is_fetched_for_the_push() {
    let life = Duration::from_secs(4);
    at_once(STORES, |store| {
        let azure = Azure::with(store, |acr| acr.member(IDENTITY, Role::Push).refresh_life(life));
        azure.connect("WorkloadIdentityFederation");
        let (gate, name) = (Gate::new(), unique("late"));
        // While the build lasts nothing can be renewed.
        azure.world.sandbox.fault_nth(OIDC, 2, Fault::Status(401));
        let running = gated(&azure, &gate, &name).start().unwrap();
        let waiting = gate.reached();
        running.wait_for_line("cannot be renewed yet", MINUTE).unwrap();
        open_after(life, waiting);
        let outcome = succeeded(running.wait().unwrap());
        azure.nothing_leaks(&outcome);
        let warnings: Vec<_> =
            outcome.warnings().iter().map(|text| text.replace("***", "REGISTRY")).collect();
        assert_eq!(
            warnings,
            [format!(
                "a registry's login is about to end and cannot be renewed yet\n  caused by: {NO_LOGIN}"
            )]
        );
        // Each exchange had an id token of its own.
        let id_tokens = azure.world.sandbox.requests_to(OIDC);
        assert_eq!(id_tokens.iter().map(|r| r.status).collect::<Vec<_>>(), [Some(200), Some(401), Some(200)]);
        assert_eq!(azure.acr.requests_to(EXCHANGE).len(), 2);
        assert_eq!(outcome.output("imageReferences").unwrap().split(',').count(), 2);
    });
}

#[test]
fn a_login_that_cannot_be_fetched_for_the_push_is_told() {
    let life = Duration::from_secs(3);
    let azure = Azure::with(Store::Containerd, |acr| acr.member(IDENTITY, Role::Push).refresh_life(life));
    azure.connect("WorkloadIdentityFederation");
    let (gate, name) = (Gate::new(), unique("late"));
    let running = gated(&azure, &gate, &name).start().unwrap();
    let waiting = gate.reached();
    azure.world.sandbox.fault(OIDC, Fault::Status(401), usize::MAX);
    running.wait_for_line("cannot be renewed yet", MINUTE).unwrap();
    open_after(life, waiting);
    let outcome = running.wait().unwrap();
    azure.nothing_leaks(&outcome);
    assert_eq!(
        azure.told(&outcome).replace(&name, "app"),
        format!("cannot push `REGISTRY/app:1` (nothing is pushed)\n  caused by: {NO_LOGIN}")
    );
}

#[test]
fn the_client_is_given_the_fresh_login_while_it_builds() {
    let azure = Azure::with(Store::Containerd, |acr| {
        acr.member(IDENTITY, Role::Push).refresh_life(Duration::from_secs(6))
    });
    azure.connect("ManagedServiceIdentity");
    let (gate, name) = (Gate::new(), unique("fresh"));
    let running = gated(&azure, &gate, &name).start().unwrap();
    let waiting = gate.reached();
    let first = fed_login(&azure);
    assert_eq!(first["Username"], "<token>");
    azure.acr.wait_for(EXCHANGE, 2, MINUTE);
    let renewed = until(|| Some(fed_login(&azure)).filter(|login| *login != first));
    assert_eq!(renewed["Username"], "<token>");
    assert!(azure.acr.issued_tokens().iter().any(|token| renewed["Secret"] == token.as_str()), "{renewed}");
    drop(waiting);
    azure.nothing_leaks(&succeeded(running.wait().unwrap()));
}

/// What the credential helper of the running client would read.
fn fed_login(azure: &Azure) -> serde_json::Value {
    let root = azure.world.job.root_dir().display().to_string();
    let of_client = std::fs::read_dir("/proc").unwrap().flatten().find_map(|process| {
        let environment = std::fs::read(process.path().join("environ")).ok()?;
        let variables: Vec<_> = environment.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let ours = variables.iter().any(|line| line.starts_with(&format!("DOCKER_CONFIG={root}/")));
        let logins = variables.iter().find_map(|line| line.strip_prefix("FEEDBUILD_LOGINS="))?;
        ours.then(|| logins.to_owned())
    });
    let logins: serde_json::Value =
        serde_json::from_slice(&std::fs::read(of_client.expect("a client runs")).unwrap()).unwrap();
    logins[azure.acr.host()].clone()
}
