//! A whole step on Windows: the launcher in Node for Windows, the binary, a stand-in for buildx that records, the real
//! engine over TCP and a real registry. Wine is the Windows.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::Path;

use feedbuild_agent::{Outcome, Step, Task};
use feedbuild_platforms::task;
use feedbuild_suites::{PASSWORD, REGISTRY_ID, Relay, Store, TOKEN, World, succeeded, unique, variable};

/// What the engine has and the stand-in says that it built.
const BASE: &str = "feedbuild-test/base:latest";

/// An agent on Windows, and what its buildx recorded.
struct Windows {
    world: World,
    relay: Relay,
}

impl Windows {
    fn new() -> Self {
        let world = World::new(Store::Classic);
        let relay = Relay::on_port(&world.engine);
        let image = world.docker(&["image", "inspect", "--format", "{{.Id}}", BASE]);
        let windows = Self { world, relay };
        let job = &windows.world.job;
        job.set_host_env("DOCKER_HOST", windows.relay.address());
        job.set_host_env("WINEPREFIX", &variable("WINEPREFIX"));
        job.set_host_env("STAND_IN_RECORD", windows.record().to_str().unwrap());
        job.set_host_env("STAND_IN_IMAGE", &image);
        job.set_host_env("STAND_IN_REGISTRY", &windows.world.registry.host());
        windows.lay_client();
        windows.lay_node();
        windows
    }

    fn record(&self) -> std::path::PathBuf {
        self.world.job.root_dir().join("record")
    }

    fn lay_client(&self) {
        let config = self.world.job.root_dir().join("docker");
        fs::create_dir_all(config.join("cli-plugins")).unwrap();
        fs::copy(variable("FEEDBUILD_TEST_BUILDX"), config.join("cli-plugins/docker-buildx.exe")).unwrap();
        self.world.job.set_host_env("DOCKER_CONFIG", config.to_str().unwrap());
    }

    /// Wine hands a program no pipe that Node can use, so the streams go by files. What follows a folder of the agent in
    /// a path is written as Linux writes it, for this agent is on Linux. (A plain `sh` may drop variables of the agent.)
    fn lay_node(&self) {
        let bin = self.world.job.root_dir().join("windows");
        let script = format!(
            "#!/bin/bash\n{} {} \"$@\" >{bin}/out 2>{bin}/err </dev/null\nstatus=$?\n\
             sed 's|_temp\\\\|_temp/|g' {bin}/out\ncat {bin}/err >&2\nexit $status\n",
            variable("FEEDBUILD_TEST_WINE"),
            variable("FEEDBUILD_TEST_NODE_EXE"),
            bin = bin.display(),
        );
        feedbuild_suites::executable(&bin.join("node"), &script);
        self.world.set_path(&[&bin]);
    }

    /// Ends the step while the client builds, as `agent.c` does it: Ctrl+C needs a console, which is a terminal here.
    fn lay_end(&self, how: &str) {
        let root = self.world.job.root_dir();
        let bin = root.join("windows");
        let ready = root.join("ready");
        self.world.job.set_host_env("STAND_IN_READY", ready.to_str().unwrap());
        let script = format!(
            "#!/bin/bash\nstep=$(dirname \"$1\")/bin/win-x64/feedbuild.exe\n\
             SHELL=/bin/bash script -qec \"{} {} {how} {} $step run >{bin}/out 2>{bin}/err\" /dev/null \\\n\
             </dev/null >/dev/null\nsed 's|_temp\\\\|_temp/|g' {bin}/out\n",
            variable("FEEDBUILD_TEST_WINE"),
            variable("FEEDBUILD_TEST_AGENT"),
            ready.display(),
            bin = bin.display(),
        );
        feedbuild_suites::executable(&bin.join("node"), &script);
    }

    fn step(&self, repository: &str) -> Step {
        self.world.article();
        let task = Task::from_dir(task()).unwrap();
        let step = self.world.job.step(&task).unwrap().name("image");
        [
            ("artifactFeeds", "my-private-pypi"),
            ("onlyAddExtraIndex", "true"),
            ("containerRegistry", REGISTRY_ID),
            ("repository", repository),
            ("tags", "$(Build.BuildId)"),
        ]
        .into_iter()
        .fold(step, |step, (name, value)| step.input(name, value))
    }

    fn recorded(&self) -> String {
        fs::read_to_string(self.record()).unwrap()
    }
}

/// The lines of `agent.c`.
fn ends(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.raw.iter().map(|line| line.trim_end());
    lines.filter(|line| line.starts_with("the step ended") || line.starts_with("the client ")).collect()
}

fn private_folders(temp: &Path) -> Vec<String> {
    let entries = fs::read_dir(temp).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("feedbuild-")).collect()
}

#[test]
fn the_step_signs_in_builds_and_pushes() {
    let windows = Windows::new();
    let repository = unique("on-windows");
    let outcome = succeeded(windows.step(&repository).run().unwrap());

    let record = windows.recorded();
    let line = |start: &str| {
        let lines: Vec<_> = record.lines().filter_map(|line| line.strip_prefix(start)).collect();
        let [line] = lines[..] else { panic!("`{start}` in {record}") };
        line.to_owned()
    };
    let index = windows.world.sandbox.index_url("my-private-pypi");
    assert_eq!(line("secret "), index.replacen("://", &format!("://build:{TOKEN}@"), 1));
    assert_eq!(
        line("login "),
        format!(
            r#"{{"Username":"ci","Secret":"{PASSWORD}","ServerURL":"{}"}}"#,
            windows.world.registry.host()
        )
    );
    assert_eq!(line("token "), "hidden");
    let secret = line("argument --secret=");
    assert!(secret.starts_with("id=PIP_EXTRA_URL,src="), "{secret}");
    assert!(secret.contains("/_work/_temp") && !secret.contains(TOKEN), "{secret}");

    let host = windows.world.registry.host();
    assert_eq!(outcome.output("imageReferences"), Some(format!("{host}/{repository}:20240").as_str()));
    let reference = format!("{host}/{repository}@{}", outcome.output("imageDigest").unwrap());
    windows.world.docker(&["login", "--username", "ci", "--password", PASSWORD, &host]);
    windows.world.docker(&["pull", "--quiet", &reference]);
    let left: Vec<String> = private_folders(&windows.world.job.temp_dir());
    assert_eq!(left, [""; 0], "the private folder is gone");
}

#[test]
fn a_cancel_reaches_the_client_once_and_the_step_cleans_up() {
    let windows = Windows::new();
    windows.lay_end("interrupt");
    let outcome = windows.step(&unique("cancelled")).run().unwrap();
    assert_eq!(ends(&outcome), ["the step ended with 0", "the client ended"], "{:#?}", outcome.raw);
    assert_eq!(windows.recorded().matches("event ").collect::<Vec<_>>().len(), 1);
    assert_eq!(private_folders(&windows.world.job.temp_dir()), [""; 0]);
}

#[test]
fn the_client_ends_with_a_step_that_is_killed_and_the_post_job_stage_cleans_up() {
    let windows = Windows::new();
    windows.lay_end("kill");
    let step = windows.step(&unique("killed"));
    let outcome = step.run().unwrap();
    assert_eq!(ends(&outcome), ["the step ended with 99", "the client ended"], "{:#?}", outcome.raw);
    assert_eq!(private_folders(&windows.world.job.temp_dir()).len(), 1);
    windows.lay_node();
    step.run_post_job().unwrap();
    assert_eq!(private_folders(&windows.world.job.temp_dir()), [""; 0]);
}
