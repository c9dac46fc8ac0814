//! Cargo.

use crate::client::{Client, run};

pub(crate) const CLIENTS: &[Client] = &[Client {
    heading: "Cargo",
    project: &[
        (
            "Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\n\
             [dependencies]\nprivate-greeting = { version = \"1\", registry = \"shared\" }\n",
        ),
        ("src/lib.rs", ""),
    ],
    before: "ENV LD_LIBRARY_PATH=/opt/cargo/lib",
    unmounted: "ENV CARGO_REGISTRIES_SHARED_CREDENTIAL_PROVIDER=cargo:token \
                CARGO_REGISTRIES_SHARED_INDEX=sparse+https://pkgs.dev.azure.com/contoso/_packaging/shared/Cargo/index/",
    agent: "cargo/",
    request: "GET …/Cargo/download/private-greeting/1.0.0",
    status: 200,
}];

#[test]
fn cargo_fetches_and_fails_without_mounts() {
    run(CLIENTS);
}
