//! Credentials that end before the build does.

use std::time::Duration;

use feedbuild_sandbox::Application;
use feedbuild_suites::{Gate, succeeded};
use sha2::{Digest as _, Sha256};

use crate::{APPLICATION, FEED, Federation, IDENTITY, MINUTE, nothing_leaks, with};

#[test]
fn a_later_instruction_gets_the_fresh_token() {
    let life = Duration::from_secs(8);
    let federation = Federation::of(with(Application::new(APPLICATION, IDENTITY).token_life(life)));
    let (world, gate) = (&federation.world, Gate::new());
    let sandbox = &world.sandbox;
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
    let first = sandbox.issued_tokens()[1].clone();
    // The first one is no good any more, before its time: the second `RUN` can do nothing with it.
    sandbox.wait_for("POST …/oauth2/v2.0/token", 2, MINUTE);
    sandbox.revoke(&first);
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
    assert_eq!(hash("first"), digest(&first));
    let later = &sandbox.issued_tokens()[2..];
    assert!(later.iter().any(|token| digest(token) == hash("second")), "it is one of the renewed tokens");
}
