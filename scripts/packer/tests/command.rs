//! `cargo vsix` as a user calls it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::process::{Command, Output};

fn packer() -> Command {
    Command::new(env!("CARGO_BIN_EXE_feedbuild-packer"))
}

/// What a call that fails says.
fn error(output: &Output) -> String {
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A machine with no tool but a `rustc` that has its own platform's library alone.
#[cfg(unix)]
#[test]
fn tools_for_other_platforms_that_are_missing_are_named_before_a_build() {
    use std::os::unix::fs::PermissionsExt as _;

    let machine = tempfile::tempdir().unwrap();
    let rustc = machine.path().join("rustc");
    fs::write(&rustc, "#!/bin/sh\nprintf '/nowhere\\n'\n").unwrap();
    fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)).unwrap();
    for (arguments, platforms) in [
        (&["--all"][..], "linux-x64, linux-arm64, osx-x64, osx-arm64, win-x64, win-arm64"),
        (&["--platform", "win-arm64", "--platform", "osx-x64"], "win-arm64, osx-x64"),
    ] {
        let output = packer().args(arguments).env_clear().env("RUSTC", &rustc).output().unwrap();
        assert_eq!(
            error(&output),
            format!(
                "error: cannot build for {platforms}: this machine has no `cargo-zigbuild`, no `zig`, no sources of \
                 Rust's standard library\n\nhint: `pip install cargo-zigbuild`, `pip install ziglang`, `rustup \
                 component add rust-src`; `scripts/cross` brings all of it\n"
            )
        );
    }
}

#[test]
fn a_file_that_is_no_package_is_told_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.vsix");
    fs::write(&file, "{}").unwrap();
    let output = packer().arg("--verify").arg(&file).output().unwrap();
    assert_eq!(
        error(&output),
        format!(
            "error: `{}` is not as it was packed: this is no package: it does not begin like a zip archive\n",
            file.display()
        )
    );
}
