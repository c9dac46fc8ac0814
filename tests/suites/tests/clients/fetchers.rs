//! curl with a netrc, and git.

use crate::client::{Client, run};

pub(crate) const CLIENTS: &[Client] = &[
    Client {
        heading: "curl",
        project: &[("README", "")],
        before: "",
        unmounted: "",
        agent: "curl/",
        request: "GET …/_packaging/shared/pypi/simple/private-greeting/",
        status: 200,
    },
    Client {
        heading: "git",
        project: &[("README", "")],
        before: "ENV GIT_TERMINAL_PROMPT=0",
        unmounted: "",
        agent: "git/",
        request: "GET …/web/_git/library/objects/",
        status: 200,
    },
];

#[test]
fn curl_downloads_and_fails_without_mounts() {
    run(&CLIENTS[..1]);
}

#[test]
fn git_clones_and_fails_without_mounts() {
    run(&CLIENTS[1..]);
}
