//! The options of docker/build-push-action, each by what it does in a build on a real engine, and what an engine or a
//! client cannot do.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use feedbuild_agent::Step;
use feedbuild_suites::{Store, World, notices, only_error, succeeded, unique};

const BASE: &str = "FROM feedbuild-test/base:latest\n";

fn with(step: Step, inputs: &[(&str, &str)]) -> Step {
    inputs.iter().fold(step, |step, (name, value)| step.input(name, value))
}

/// The one error, with the sources folder as `SOURCES`.
fn refused(world: &World, dockerfile: &str, inputs: &[(&str, &str)]) -> String {
    let outcome = with(world.build_step(dockerfile), inputs).run().unwrap();
    only_error(&outcome).replace(world.job.sources_dir().to_str().unwrap(), "SOURCES")
}

/// Runs git in a folder.
fn git(folder: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    let identity = ["-c", "user.name=ci", "-c", "user.email=ci@example.com"];
    git.arg("-C").arg(folder).args(identity).args(arguments);
    git.env("GIT_COMMITTER_DATE", "2024-02-03T04:05:06Z").env("GIT_AUTHOR_DATE", "2020-01-01T00:00:00Z");
    let output = git.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A job on an agent of its own that checked `repository` out at a time of its own.
fn checked_out(store: Store, repository: &Path, time: SystemTime) -> World {
    let world = World::new(store);
    let source = format!("file://{}", repository.display());
    git(repository, &["clone", "-q", "--depth=1", &source, world.job.sources_dir().to_str().unwrap()]);
    // Each world's stand-in for the service has an address of its own, which is a label of the image.
    world.job.set_variable("System.TeamFoundationCollectionUri", "https://dev.azure.com/contoso/");
    world.job.set_variable("Build.Repository.Uri", "https://dev.azure.com/contoso/p/_git/app");
    File::open(world.job.sources_dir().join("file")).unwrap().set_modified(time).unwrap();
    world
}

#[test]
fn two_builds_of_a_commit_are_one_image() {
    let repository = tempfile::tempdir().unwrap();
    let folder = repository.path();
    // Files of an instruction have the time of the checkout or of the build.
    let dockerfile =
        format!("{BASE}COPY file /copied\nRUN cp -p /copied /made && touch /touched && rm /copied\n");
    std::fs::write(folder.join("Dockerfile"), dockerfile).unwrap();
    std::fs::write(folder.join("file"), "x").unwrap();
    git(folder, &["init", "-q"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "-q", "-m", "all"]);
    let (now, name) = (SystemTime::now(), unique("reproducible"));
    let image = |inputs: &[(&str, &str)], time| {
        let world = checked_out(Store::Containerd, folder, time);
        let step = world.step().input("command", "build").input("noCache", "true").input("repository", &name);
        let outcome = succeeded(with(step, inputs).run().unwrap());
        let created =
            ["image", "inspect", "--format", "{{.Created}}", outcome.output("imageReferences").unwrap()];
        (
            outcome.output("imageDigest").unwrap().to_owned(),
            world.docker(&created),
            notices(&outcome).concat(),
        )
    };
    let (hour, commit) = (Duration::from_hours(1), [("sourceDateEpoch", "commit"), ("ociLabels", "true")]);
    let (digest, created, notice) = image(&commit, now);
    assert_eq!(created, "2024-02-03T04:05:06Z");
    assert_eq!(
        notice,
        "the labels of `addPipelineData` that differ from run to run are left out: `sourceDateEpoch` asks for the same \
         image in every run of a commit"
    );
    assert_eq!(image(&commit, now - hour), (digest.clone(), created, notice));
    let seconds = [("sourceDateEpoch", "1706933106"), ("ociLabels", "true"), ("addPipelineData", "false")];
    assert_eq!(image(&seconds, now), (digest, "2024-02-03T04:05:06Z".to_owned(), String::new()));
    let (first, second) = (image(&[], now).0, image(&[], now - hour).0);
    assert_ne!(first, second, "without it, no two builds are alike");
}

#[test]
fn the_time_of_a_commit_needs_a_commit() {
    let world = World::new(Store::Containerd);
    assert_eq!(
        refused(&world, BASE, &[("sourceDateEpoch", "commit")]),
        "`sourceDateEpoch: commit`: git cannot tell the commit of `SOURCES`\n  caused by: fatal: not a git repository (or \
         any of the parent directories): .git\n\nhint: check the sources out with git on the agent's `PATH`, or give the \
         time in seconds, e.g. `sourceDateEpoch: 1700000000`"
    );
}
