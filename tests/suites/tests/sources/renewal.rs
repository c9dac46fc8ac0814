//! Credentials that end before the build does.

use std::time::Duration;

use feedbuild_sandbox::{Application, Fault};
use feedbuild_suites::{Gate, succeeded};
use sha2::{Digest as _, Sha256};

use crate::{APPLICATION, FEED, Federation, IDENTITY, MINUTE, nothing_leaks, organization, with};

#[test]
fn a_later_instruction_gets_the_fresh_token() {
    // The first token lives for seconds, and the feed has never heard of it: only a fresh one opens it.
    let federation = Federation::of(organization());
    let (world, gate) = (&federation.world, Gate::new());
    let sandbox = &world.sandbox;
    let first = "canary-first-3c90d17ab2";
    let short = format!(r#"{{"token_type": "Bearer", "expires_in": 4, "access_token": "{first}"}}"#);
    sandbox.fault("POST …/oauth2/v2.0/token", Fault::Json(short), 1);
    let mount = "RUN --mount=type=secret,id=PIP_INDEX_URL";
    let secret = "/run/secrets/PIP_INDEX_URL";
    let step = world
        .build_step(&format!(
            "FROM python:3.12-slim\n\
             COPY --from=feedbuild-test/base:latest /bin/busybox /bin/busybox\n\
             {mount} echo first=$(sha256sum <{secret})\n\
             RUN busybox {}\n\
             {mount} pip install --no-deps --trusted-host {} --index-url $(cat {secret}) private-greeting && \
             echo second=$(sha256sum <{secret})\n",
            gate.command(),
            sandbox.authority(),
        ))
        .input("noCache", "true")
        .input("feedUrl", &sandbox.index_url(FEED))
        .input("workloadIdentityServiceConnection", IDENTITY)
        .input("feedToken", "job");
    let running = step.start().unwrap();
    let waiting = gate.reached();
    let notice = "A credential was about to end; later instructions get a fresh one.";
    running.wait_for_line(notice, MINUTE).unwrap();
    drop(waiting);
    let outcome = succeeded(running.wait().unwrap());
    nothing_leaks(world, &outcome);
    let hash = |name: &str| {
        let found = outcome.raw.iter().find_map(|line| line.split_once(&format!(" {name}="))?.1.get(..64));
        found.unwrap_or_else(|| panic!("no {name}:\n{}", outcome.log_text())).to_owned()
    };
    let index = sandbox.index_url(FEED);
    let digest = |token: &str| {
        let url = index.replacen("://", &format!("://build:{token}@"), 1);
        format!("{:x}", Sha256::digest(url))
    };
    assert_eq!(hash("first"), digest(first));
    let issued = sandbox.issued_tokens();
    let [_, _, second] = &issued[..] else { panic!("two id tokens and an access token: {issued:?}") };
    assert_eq!(hash("second"), digest(second));
    assert_eq!(outcome.log.iter().filter(|line| *line == notice).count(), 1);
}

#[test]
fn a_renewal_that_fails_is_told_and_stops_nothing() {
    let life = Duration::from_secs(4);
    let federation = Federation::of(with(Application::new(APPLICATION, IDENTITY).token_life(life)));
    let (world, gate) = (&federation.world, Gate::new());
    let step = world
        .build_step(&format!(
            "FROM feedbuild-test/base:latest\n\
             RUN --mount=type=secret,id=FEED_TOKEN test -s /run/secrets/FEED_TOKEN\n\
             RUN {}\n",
            gate.command()
        ))
        .input("noCache", "true")
        .input("feedUrl", &world.sandbox.index_url(FEED))
        .input("workloadIdentityServiceConnection", IDENTITY)
        .input("feedToken", "job");
    world.sandbox.fault_nth("POST …/oidctoken", 2, Fault::Status(401));
    let running = step.start().unwrap();
    let waiting = gate.reached();
    running.wait_for_line("cannot be renewed yet", MINUTE).unwrap();
    drop(waiting);
    let outcome = succeeded(running.wait().unwrap());
    nothing_leaks(world, &outcome);
    assert_eq!(
        outcome.warnings(),
        [
            "a credential is about to end and cannot be renewed yet\n  caused by: Azure DevOps gave no id token for the \
          service connection in `workloadIdentityServiceConnection` (401)\n\n\
          hint: authorize this pipeline to use the service connection (its page > Security > Pipeline permissions)"
        ]
    );
}
