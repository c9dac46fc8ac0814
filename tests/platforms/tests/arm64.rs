//! The binary for Linux on arm64, in an emulator.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use feedbuild_agent::Task;
use feedbuild_platforms::{binary, task};
use feedbuild_suites::{PASSWORD, REGISTRY_ID, Store, World, executable, succeeded, unique, variable};

/// How the kernel knows a program for arm64: the head of the file, and which of its bits count (`elf.h`: 64 bits, little
/// endian, an executable or position independent, machine 183).
const PROGRAM: &str = r":arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";

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

/// Gives the agent a Node on a machine whose kernel runs programs for arm64, by the emulator. Node itself is this machine's,
/// and says that it were not. (A plain `sh` may drop variables of the agent.)
fn lay_node(world: &World) {
    let bin = world.job.root_dir().join("arm64");
    let node = std::env::split_paths(&variable("PATH"))
        .map(|folder| folder.join("node"))
        .find(|node| node.exists())
        .expect("Node is on the PATH");
    let script = format!(
        "#!/bin/bash\nexec unshare --user --map-root-user --mount bash -ec '\n\
         mount -t binfmt_misc none /proc/sys/fs/binfmt_misc\n\
         printf %s \"$1\" >/proc/sys/fs/binfmt_misc/register\n\
         shift\nexec \"$@\"' bash '{PROGRAM}:{}:F' {} --require {}/arm64.js \"$@\"\n",
        variable("FEEDBUILD_TEST_QEMU"),
        node.display(),
        bin.display(),
    );
    executable(&bin.join("node"), &script);
    fs::write(bin.join("arm64.js"), "Object.defineProperty(process, 'arch', { value: 'arm64' });\n").unwrap();
    let client = variable("FEEDBUILD_TEST_CLIENT");
    world.set_path(&[&bin, &std::path::Path::new(&client).join("bin")]);
}

#[test]
fn a_whole_step_signs_in_builds_and_pushes() {
    let world = World::new(Store::Classic);
    lay_node(&world);
    world.article();
    let repository = unique("on-arm64");
    let step = world.job.step(&Task::from_dir(task()).unwrap()).unwrap().name("image");
    let step = [
        ("artifactFeeds", "my-private-pypi"),
        ("onlyAddExtraIndex", "true"),
        ("containerRegistry", REGISTRY_ID),
        ("repository", repository.as_str()),
        ("tags", "$(Build.BuildId)"),
        ("network", "host"),
    ]
    .into_iter()
    .fold(step, |step, (name, value)| step.input(name, value));
    fs::remove_dir_all(step.task_dir().join("bin/linux-x64")).unwrap();
    let outcome = succeeded(step.run().unwrap());

    let host = world.registry.host();
    assert_eq!(outcome.output("imageReferences"), Some(format!("{host}/{repository}:20240").as_str()));
    let reference = format!("{host}/{repository}@{}", outcome.output("imageDigest").unwrap());
    world.docker(&["login", "--username", "ci", "--password", PASSWORD, &host]);
    world.docker(&["pull", "--quiet", &reference]);
    assert_eq!(
        world.docker(&["run", "--rm", "--network=host", &reference]),
        "Hello from private-greeting 1.0.0!"
    );
}
