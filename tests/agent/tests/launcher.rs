//! `scripts/launcher.js` as the agent runs it, with a script in the place of the native binary.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use feedbuild_agent::{Job, Outcome, Step, TaskResult};
use rustix::process::Signal;
use serde_json::json;

use crate::support::{FakeTask, LIMIT, job, names};

const PLATFORM: &str = if cfg!(target_arch = "aarch64") { "linux-arm64" } else { "linux-x64" };

/// The packaged task with `native` as the binary for `platform`.
fn packaged(platform: &str, native: &str) -> FakeTask {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let fake = FakeTask::new("").with("execution", json!({ "Node20_1": { "target": "launcher.js" } }));
    for (name, target) in [("launcher.js", "launcher.js"), ("post-job.js", "post.js")] {
        fake.file(target, &fs::read_to_string(scripts.join(name)).unwrap());
    }
    fake.file(&format!("bin/{platform}/feedbuild"), native);
    fake
}

fn step(job: &Job, native: &str) -> Step {
    job.step(&packaged(PLATFORM, native).task()).unwrap()
}

fn run(native: &str) -> Outcome {
    step(&job(), native).run().unwrap()
}

/// Makes the agent's `node` run in a mount namespace of its own, after the mounts of `script`.
fn mount_first(job: &Job, script: &str) {
    let bin = job.root_dir().join("bin");
    fs::create_dir(&bin).unwrap();
    let path = std::env::var("PATH").unwrap();
    let node =
        std::env::split_paths(&path).map(|folder| folder.join("node")).find(|node| node.is_file()).unwrap();
    let wrapper = format!(
        "#!/bin/sh\nexec unshare --map-root-user --mount sh -ec '{script}; exec \"$@\"' sh {} \"$@\"\n",
        node.display()
    );
    fs::write(bin.join("node"), wrapper).unwrap();
    fs::set_permissions(bin.join("node"), fs::Permissions::from_mode(0o755)).unwrap();
    job.set_host_env("PATH", &format!("{}:{path}", bin.display()));
}

fn read_only(step: &Step) -> String {
    let folder = step.task_dir().display();
    format!("mount --bind -o ro {folder} {folder}")
}

#[test]
fn a_binary_without_mode_bits_is_made_executable_and_run_in_place() {
    let job = job();
    let step = step(&job, "#!/bin/sh\necho \"$0 $*\"; cat; echo end of input");
    let binary = step.task_dir().join("bin").join(PLATFORM).join("feedbuild");
    assert_eq!(fs::metadata(&binary).unwrap().permissions().mode() & 0o777, 0o644);
    let outcome = step.run().unwrap();
    assert_eq!(outcome.raw, [format!("{} run", binary.display()), "end of input".into()]);
    assert_eq!(outcome.result, TaskResult::Succeeded);
    assert_eq!(fs::metadata(&binary).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(step.run_post_job().unwrap().raw[0], format!("{} post-job", binary.display()));
    assert_eq!(names(&job.temp_dir()), [""; 0]);
}

#[test]
fn in_a_read_only_task_folder_a_private_copy_is_run_and_removed() {
    let job = job();
    let step = step(&job, "#!/bin/sh\necho \"$0\"; stat -c %a \"$(dirname \"$0\")\"");
    mount_first(&job, &read_only(&step));
    let outcome = step.run().unwrap();
    let copy = Path::new(outcome.raw.first().expect("the binary ran"));
    assert_eq!(copy.file_name().unwrap(), "feedbuild");
    assert_eq!(copy.parent().unwrap().parent().unwrap(), job.temp_dir());
    assert_eq!(outcome.raw[1..], ["700"]);
    assert_eq!((outcome.result, names(&job.temp_dir()).len()), (TaskResult::Succeeded, 0));
}

#[test]
fn where_nothing_can_be_executed_the_error_names_the_mount_option() {
    let job = job();
    let step = step(&job, "#!/bin/sh\necho must not run");
    let temp = job.temp_dir();
    mount_first(&job, &format!("{}; mount -t tmpfs -o noexec tmpfs {}", read_only(&step), temp.display()));
    let outcome = step.run().unwrap();
    let binary = step.task_dir().join("bin").join(PLATFORM).join("feedbuild");
    assert_eq!(
        outcome.errors(),
        [format!(
            "neither `{}` nor a copy in the agent's temp folder `{temp}` can be executed\n\n\
             hint: mount the file system of `{temp}` without `noexec`",
            binary.display(),
            temp = temp.display(),
        )]
    );
    assert_eq!((outcome.result, outcome.exit.success()), (TaskResult::Failed, true));
}

#[test]
fn a_copy_that_cannot_be_made_is_explained() {
    let job = job();
    let step = step(&job, "#!/bin/sh\necho must not run");
    let temp = job.temp_dir();
    mount_first(&job, &format!("{}; mount -t tmpfs -o size=4k tmpfs {}", read_only(&step), temp.display()));
    fs::write(step.task_dir().join("bin").join(PLATFORM).join("feedbuild"), vec![0; 100_000]).unwrap();
    let outcome = step.run().unwrap();
    let (binary, temp) = (step.task_dir().join("bin").join(PLATFORM).join("feedbuild"), temp.display());
    let [error] = outcome.errors()[..] else { panic!("{:?}", outcome.log) };
    let (what, hint) = error.split_once("\n\n").unwrap();
    let start = format!("`{}` is not executable where it is, and cannot be copied: ENOSPC", binary.display());
    assert!(what.starts_with(&start), "{what}");
    assert_eq!(
        hint,
        format!(
            "hint: let the agent's user write to its temp folder `{temp}`, and free some disk space there"
        )
    );
    assert_eq!((outcome.result, outcome.exit.success()), (TaskResult::Failed, true));
}

#[test]
fn the_environment_reaches_the_binary_untouched() {
    let job = job();
    let native = "#!/usr/bin/env node\nconsole.log(JSON.stringify(process.env))";
    let large = "x".repeat(100_000);
    let outcome = step(&job, native).env("odd-name (1)", "a\nb").env("LARGE", &large).run().unwrap();
    let environment: BTreeMap<String, String> = serde_json::from_str(&outcome.raw[0]).unwrap();
    assert_eq!(
        (environment["odd-name (1)"].as_str(), environment["LARGE"].as_str()),
        ("a\nb", large.as_str())
    );
    assert_eq!(environment["SECRET_SYSTEM_ACCESSTOKEN"], "job-access-token");
    assert_eq!(environment["ENDPOINT_AUTH_SCHEME_SYSTEMVSSCONNECTION"], "OAuth");
}

#[test]
fn each_signal_is_forwarded_once() {
    let native = "#!/bin/sh
        trap 'echo INT' INT
        trap 'echo TERM; exit 0' TERM
        echo \"ready $$\"
        while [ -d /proc/$PPID ]; do sleep 0.01; done";
    let job = job();
    let running = step(&job, native).start().unwrap();
    let ready = running.wait_for_line("ready", LIMIT).unwrap();
    assert_eq!(ready, format!("ready {}", running.native_pid().unwrap()));
    running.signal(Signal::INT).unwrap();
    running.wait_for_line("INT", LIMIT).unwrap();
    running.signal(Signal::INT).unwrap();
    running.signal(Signal::TERM).unwrap();
    let outcome = running.wait().unwrap();
    assert_eq!(outcome.raw, [ready.as_str(), "INT", "TERM"]);
    assert_eq!((outcome.result, outcome.exit.success()), (TaskResult::Succeeded, true));
}

#[test]
fn the_launcher_does_not_end_before_the_binary() {
    let native = "#!/bin/sh
        trap 'echo cleaning; sleep 0.3; echo cleaned; exit 0' INT
        echo ready
        while [ -d /proc/$PPID ]; do sleep 0.01; done";
    let job = job();
    let running = step(&job, native).start().unwrap();
    running.wait_for_line("ready", LIMIT).unwrap();
    let outcome = running.cancel().unwrap();
    assert_eq!(outcome.raw, ["ready", "cleaning", "cleaned"]);
    assert_eq!((outcome.cancellation.unwrap().signal, outcome.output_left_open), (Signal::INT, false));
}

#[test]
fn a_binary_that_dies_fails_the_step_in_words() {
    for (native, end) in [
        (
            "kill -KILL $$",
            "was killed by SIGKILL without a result\n\nhint: look for an out-of-memory kill in the machine's kernel log: `dmesg`",
        ),
        ("kill -SEGV $$", "was killed by SIGSEGV without a result"),
        ("exit 101", "ended with exit code 101 without a result"),
    ] {
        let job = job();
        let step = step(&job, &format!("#!/bin/sh\n{native}"));
        let outcome = step.run().unwrap();
        let binary = step.task_dir().join("bin").join(PLATFORM).join("feedbuild");
        let message = format!("`{} run` {end}", binary.display());
        assert_eq!(outcome.errors(), [message.as_str()]);
        let complete = outcome.commands.last().unwrap();
        assert_eq!(
            (complete.event.as_str(), complete.property("result"), &complete.data),
            ("complete", Some("Failed"), &message)
        );
        assert_eq!((outcome.result, outcome.exit.success()), (TaskResult::Failed, true));
    }
}

#[test]
fn the_results_that_the_binary_says_stand() {
    let outcome = run("#!/bin/sh\necho '##vso[task.complete result=SucceededWithIssues;]'");
    assert_eq!((outcome.result, outcome.commands.len()), (TaskResult::SucceededWithIssues, 1));
}

#[test]
fn a_binary_that_cannot_be_started_fails_the_step() {
    let outcome = run("#!/nonexistent/interpreter\n");
    let [error] = outcome.errors()[..] else { panic!("{:?}", outcome.log) };
    assert!(error.starts_with("cannot start `/") && error.ends_with("/feedbuild`: ENOENT"), "{error}");
    assert_eq!((outcome.result, outcome.exit.success()), (TaskResult::Failed, true));
}

#[test]
fn a_platform_without_a_binary_is_named_with_those_that_have_one() {
    // The second name would end a logging command, were it not escaped.
    let job = job();
    let fake = packaged("osx-100%3B", "");
    fake.file("bin/win-x64]/feedbuild.exe", "");
    let step = job.step(&fake.task()).unwrap();
    let outcome = step.run().unwrap();
    let message = format!(
        "this extension has no binary for {PLATFORM}: `{}/bin/{PLATFORM}/feedbuild` is missing\n\n\
         hint: run the job on one of the platforms it was built for: osx-100%3B, win-x64]",
        step.task_dir().display()
    );
    assert_eq!(outcome.errors(), [message]);
    assert_eq!((outcome.result, outcome.exit.success()), (TaskResult::Failed, true));
}

/// Lets Node believe that it is another build of itself.
fn pretend(job: &Job, platform: &str, arch: &str) {
    let preloaded = job.root_dir().join("pretend.js");
    let script = format!(
        "Object.defineProperties(process, {{ platform: {{ value: '{platform}' }}, arch: {{ value: '{arch}' }} }});"
    );
    fs::write(&preloaded, script).unwrap();
    job.set_host_env("NODE_OPTIONS", &format!("--require={}", preloaded.display()));
}

#[test]
fn a_32_bit_node_starts_the_64_bit_binary_of_its_machine() {
    let machine = PLATFORM.strip_prefix("linux-").unwrap();
    for (platform, arch, below, folder) in [
        ("linux", "ia32", "", format!("linux-{machine}/feedbuild")),
        ("linux", "arm", "", format!("linux-{machine}/feedbuild")),
        ("win32", "ia32", "AMD64", "win-x64/feedbuild.exe".to_owned()),
        ("win32", "ia32", "ARM64", "win-arm64/feedbuild.exe".to_owned()),
    ] {
        let job = job();
        pretend(&job, platform, arch);
        let fake = packaged("osx-x64", "");
        fake.file(&format!("bin/{folder}"), "#!/bin/sh\necho \"$0\"");
        let step = job.step(&fake.task()).unwrap().env("PROCESSOR_ARCHITEW6432", below);
        let outcome = step.run().unwrap();
        let binary = step.task_dir().join("bin").join(folder);
        assert_eq!(outcome.raw, [binary.to_str().unwrap()], "{platform} {arch} {below}");
    }
}

#[test]
fn a_machine_that_no_binary_is_for_is_named_as_node_names_it() {
    for (platform, arch, named) in
        [("win32", "ia32", "win-ia32"), ("linux", "s390x", "linux-s390x"), ("freebsd", "x64", "freebsd-x64")]
    {
        let job = job();
        pretend(&job, platform, arch);
        let step = step(&job, "");
        let outcome = step.run().unwrap();
        let suffix = if platform == "win32" { ".exe" } else { "" };
        let message = format!(
            "this extension has no binary for {named}: `{}/bin/{named}/feedbuild{suffix}` is missing\n\n\
             hint: run the job on one of the platforms it was built for: {PLATFORM}",
            step.task_dir().display()
        );
        assert_eq!(outcome.errors(), [message]);
        assert_eq!((outcome.result, outcome.exit.success()), (TaskResult::Failed, true));
    }
}
