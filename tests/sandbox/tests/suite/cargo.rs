//! The sparse index, asked by hand and by real cargo.

use std::{fs, process::Command};

use crate::client::{anonymous, get, has, sha256};
use feedbuild_sandbox::{Feed, Library, Protocol, Sandbox};

fn contoso() -> Sandbox {
    Sandbox::builder().token("job").feed(Feed::org("shared").with(Library::new("abc", "0.1.0"))).start()
}

#[test]
fn the_index_leads_to_the_crate_and_wants_a_token() {
    let sandbox = contoso();
    let index = sandbox.feed_url("shared", Protocol::Cargo);
    let config = get(&format!("{index}config.json"), "job").json();
    assert_eq!(config["auth-required"], true);
    for (path, name, version) in
        [("pr/iv/private-greeting", "private-greeting", "1.0.0"), ("3/a/abc", "abc", "0.1.0")]
    {
        let entry = get(&format!("{index}{path}"), "job").json();
        assert_eq!((&entry["name"], &entry["vers"]), (&name.into(), &version.into()));
        let url = config["dl"].as_str().unwrap().replace("{crate}", name).replace("{version}", version);
        let file = get(&url, "job");
        assert_eq!(file.status, 200);
        assert_eq!(entry["cksum"], sha256(&file.body));
        assert_eq!(anonymous("GET", &url).status, 401);
    }
    assert_eq!(anonymous("GET", &format!("{index}config.json")).status, 401);
    assert_eq!(get(&format!("{index}mi/ss/missing"), "job").status, 404);
}

#[test]
fn cargo_builds_with_the_crate() {
    if !has("cargo", &["--version"]) {
        return;
    }
    let sandbox = contoso();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    let manifest = "[package]\nname = \"user\"\nedition = \"2021\"\n\n[workspace]\n\n\
                    [dependencies]\nprivate-greeting = { version = \"1\", registry = \"contoso\" }\n";
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    let code = "fn main() {\n    println!(\"{}\", private_greeting::greet());\n}\n";
    fs::write(folder.path().join("src/main.rs"), code).unwrap();
    let run = |token: &str| {
        Command::new("cargo")
            .args(["run", "--quiet"])
            .current_dir(folder.path())
            .env("CARGO_HOME", folder.path().join("home"))
            .env("CARGO_TARGET_DIR", folder.path().join("target"))
            .env("CARGO_NET_RETRY", "0")
            .env(
                "CARGO_REGISTRIES_CONTOSO_INDEX",
                format!("sparse+{}", sandbox.feed_url("shared", Protocol::Cargo)),
            )
            .env("CARGO_REGISTRIES_CONTOSO_CREDENTIAL_PROVIDER", "cargo:token")
            .env("CARGO_REGISTRIES_CONTOSO_TOKEN", token)
            .output()
            .unwrap()
    };
    assert!(!run("job").status.success(), "cargo got in without a scheme");
    let output = run("Bearer job");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "Hello from private-greeting 1.0.0!\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
