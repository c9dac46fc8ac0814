//! npm, pnpm, yarn 1 and yarn 4.

use crate::client::{Client, run};

const TARBALL: &str = "GET …/private-greeting/-/private-greeting-1.0.0.tgz";
const PACKAGE: &str =
    r#"{ "name": "app", "version": "1.0.0", "dependencies": { "private-greeting": "1.0.0" } }"#;
/// The feed, without credentials, as the default.
const REGISTRY: &str =
    "ENV NPM_CONFIG_REGISTRY=https://pkgs.dev.azure.com/contoso/_packaging/shared/npm/registry/";

const NPM: Client = Client {
    heading: "npm",
    project: &[("package.json", PACKAGE)],
    before: "",
    unmounted: REGISTRY,
    agent: "npm/",
    request: TARBALL,
    status: 200,
};

pub(crate) const CLIENTS: &[Client] = &[
    NPM,
    Client {
        heading: "npm with a variable",
        project: &[
            ("package.json", PACKAGE),
            (
                ".npmrc",
                "registry=https://pkgs.dev.azure.com/contoso/_packaging/shared/npm/registry/\n\
                 //pkgs.dev.azure.com/contoso/_packaging/shared/npm/:_authToken=${FEED_TOKEN}\n",
            ),
        ],
        ..NPM
    },
    Client { heading: "pnpm", agent: "pnpm/", ..NPM },
    Client { heading: "yarn 1", before: "ENV PATH=/opt/yarn1:$PATH", agent: "yarn/", ..NPM },
    Client {
        heading: "yarn 2 and later",
        project: &[("package.json", PACKAGE), ("yarn.lock", "")],
        before: "ENV YARN_ENABLE_TELEMETRY=0",
        unmounted: "ENV YARN_UNSAFE_HTTP_WHITELIST=127.0.0.1 \
                    YARN_NPM_REGISTRY_SERVER=https://pkgs.dev.azure.com/contoso/_packaging/shared/npm/registry/",
        agent: "got ",
        request: TARBALL,
        status: 200,
    },
];

#[test]
fn npm_and_its_kin_install_and_fail_without_mounts() {
    run(CLIENTS);
}
