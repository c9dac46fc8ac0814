//! The binary for Linux on arm64, in an emulator.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use feedbuild_platforms::binary;
use feedbuild_suites::variable;

fn emulator() -> Command {
    let mut command = Command::new(variable("FEEDBUILD_TEST_QEMU"));
    command.env_clear();
    command
}

fn text(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[test]
fn it_tells_its_version() {
    let output = emulator().arg(binary("linux-arm64")).arg("--version").output().unwrap();
    assert_eq!(text(&output), (format!("feedbuild {}\n", env!("CARGO_PKG_VERSION")), String::new(), Some(0)));
}

#[test]
fn a_step_outside_of_a_pipeline_fails_in_words() {
    let output = emulator().arg(binary("linux-arm64")).arg("run").output().unwrap();
    let (stdout, stderr, code) = text(&output);
    assert!(stdout.contains("##vso[task.complete result=Failed;]"), "{stdout}");
    assert_eq!((stderr.as_str(), code), ("", Some(1)));
}

#[test]
fn it_is_dockers_credential_helper_under_that_name() {
    let logins = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&logins, r#"{"r.example": {"Username": "ci", "Secret": "s"}}"#).unwrap();
    let mut helper = emulator()
        .args(["-0", "docker-credential-feedbuild"])
        .arg(binary("linux-arm64"))
        .arg("get")
        .env("FEEDBUILD_LOGINS", logins.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    helper.stdin.take().unwrap().write_all(b"r.example").unwrap();
    let (stdout, _, code) = text(&helper.wait_with_output().unwrap());
    assert_eq!(
        (stdout.as_str(), code),
        ("{\"Username\":\"ci\",\"Secret\":\"s\",\"ServerURL\":\"r.example\"}\n", Some(0))
    );
}
