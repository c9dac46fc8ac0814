//! Real package clients in real builds: each example of `docs/secrets.md` gets one private package, with nothing in any
//! cache, and gets none when its mounts are taken away.
//!
//! The image of the clients is `scripts/engine`'s (`--clients`). NuGet and conda are not in it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cargo;
mod client;
mod example;
mod fetchers;
mod java;
mod node;
mod python;
mod servers;

/// What the docs show and no build here can run.
const NOT_RUN: [&str; 2] = ["NuGet", "conda"];

#[test]
fn every_example_of_the_docs_is_run() {
    let run = [python::CLIENTS, node::CLIENTS, java::CLIENTS, cargo::CLIENTS, fetchers::CLIENTS].concat();
    let mut run: Vec<&str> = run.iter().map(|client| client.heading).chain(NOT_RUN).collect();
    let mut shown = example::headings();
    run.sort_unstable();
    shown.sort_unstable();
    assert_eq!(shown, run);
    for heading in run {
        let examples = example::examples(heading);
        assert!(examples.iter().any(|example| example.user.is_none()), "{heading}: no example for root");
        assert!(examples.iter().any(|example| example.user.is_some()), "{heading}: none for another user");
        assert!(examples.iter().all(|example| !example.mounts.is_empty()), "{heading}: one without a mount");
    }
}
