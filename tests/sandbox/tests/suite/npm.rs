//! The npm registry, asked by hand and by real npm.

use std::{fs, path::Path, process::Command};

use crate::client::{anonymous, get, has};
use feedbuild_sandbox::{Feed, Protocol, Sandbox, Tarball};

fn contoso() -> Sandbox {
    Sandbox::builder().token("job").feed(Feed::org("shared").with(Tarball::new("two", "1.1.0"))).start()
}

#[test]
fn a_document_lists_its_versions_with_times_and_files() {
    let sandbox = contoso();
    let registry = sandbox.feed_url("shared", Protocol::Npm);
    let document = get(&format!("{registry}private-greeting"), "job").json();
    assert_eq!(document["dist-tags"]["latest"], "1.0.0");
    assert_eq!(document["time"]["1.0.0"], "2024-01-01T00:00:00.000Z");
    let tarball = format!("{registry}private-greeting/-/private-greeting-1.0.0.tgz");
    assert_eq!(document["versions"]["1.0.0"]["dist"]["tarball"], tarball.as_str());
    assert_eq!(get(&tarball, "job").body, Tarball::new("private-greeting", "1.0.0").bytes());
    assert_eq!(get(&format!("{registry}two/1.1.0"), "job").json()["version"], "1.1.0");
}

#[test]
fn a_scope_is_found_with_its_slash_in_either_spelling() {
    let sandbox = contoso();
    let registry = sandbox.feed_url("shared", Protocol::Npm);
    for name in ["@contoso/private-greeting", "@contoso%2fprivate-greeting", "@contoso%2Fprivate-greeting"] {
        let document = get(&format!("{registry}{name}"), "job").json();
        assert_eq!(document["name"], "@contoso/private-greeting", "{name}");
        let tarball = document["versions"]["1.0.0"]["dist"]["tarball"].as_str().unwrap();
        assert_eq!(tarball, format!("{registry}@contoso/private-greeting/-/private-greeting-1.0.0.tgz"));
        assert_eq!(get(tarball, "job").status, 200);
    }
}

#[test]
fn documents_and_files_want_a_token_and_unknown_ones_are_missing() {
    let sandbox = contoso();
    let registry = sandbox.feed_url("shared", Protocol::Npm);
    for path in ["private-greeting", "private-greeting/-/private-greeting-1.0.0.tgz"] {
        assert_eq!(anonymous("GET", &format!("{registry}{path}")).status, 401, "{path}");
    }
    for path in ["", "missing", "private-greeting/2.0.0", "private-greeting/-/private-greeting-2.0.0.tgz"] {
        assert_eq!(get(&format!("{registry}{path}"), "job").status, 404, "{path}");
    }
}

#[test]
fn npm_installs_both_packages() {
    if !has("npm", &["--version"]) {
        return;
    }
    let sandbox = contoso();
    let folder = tempfile::tempdir().unwrap();
    let install = |rc: &str, packages: &[&str]| npm_install(folder.path(), rc, packages);
    let registry = sandbox.feed_url("shared", Protocol::Npm);
    let address = registry.trim_start_matches("http:");
    assert!(!install(&format!("registry={registry}\n"), &["private-greeting"]), "npm got in without a token");
    let rc = format!("registry={registry}\n{address}:_authToken=job\n");
    assert!(install(&rc, &["private-greeting", "@contoso/private-greeting"]));
    let code =
        "console.log(require('private-greeting')()); console.log(require('@contoso/private-greeting')())";
    let output = Command::new("node").args(["-e", code]).current_dir(folder.path()).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "Hello from private-greeting 1.0.0!\nHello from @contoso/private-greeting 1.0.0!\n"
    );
    let bare = sandbox.requests().into_iter().filter(|request| !request.has_authorization());
    assert!(bare.last().is_some_and(|request| request.status == Some(401)));
}

fn npm_install(folder: &Path, rc: &str, packages: &[&str]) -> bool {
    fs::write(folder.join("package.json"), "{}").unwrap();
    fs::write(folder.join("user.npmrc"), rc).unwrap();
    let output = Command::new("npm")
        .arg("install")
        .args(packages)
        .current_dir(folder)
        .env("HOME", folder)
        .env("npm_config_userconfig", folder.join("user.npmrc"))
        .env("npm_config_globalconfig", "/dev/null")
        .env("npm_config_cache", folder.join("cache"))
        .env("npm_config_fetch_retries", "0")
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    output.status.success()
}
