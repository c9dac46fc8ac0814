//! What a task finds when the agent starts it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{FakeTask, job, names, step};
use feedbuild_agent::{Endpoint, Outcome, Step, Task};
use serde_json::json;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const DUMP: &str = "console.log(JSON.stringify(process.env))";

fn environment(step: &Step) -> BTreeMap<String, String> {
    serde_json::from_str(&step.run().unwrap().raw[0]).unwrap()
}

#[test]
fn later_sources_win_over_earlier_ones() {
    let job = job();
    job.set_host_env("HOST", "host");
    job.set_host_env("BOTH", "host");
    job.set_variable("both", "variable");
    job.set_variable("a.b c-d", "mangled");
    job.set_secret_variable("my.secret", "hidden");
    let step = job
        .step(&FakeTask::new(DUMP).task())
        .unwrap()
        .env("BOTH", "step")
        .env("HOST", " $(both)+$(my.secret)+$(HOST) ")
        .env("GONE", "x")
        .without("GONE");
    let environment = environment(&step);
    assert_eq!(environment["BOTH"], "variable");
    assert_eq!(environment["HOST"], "variable+hidden+host");
    assert_eq!(environment["A_B_C-D"], "mangled");
    assert_eq!(environment["SECRET_MY_SECRET"], "hidden");
    assert!(!environment.contains_key("MY_SECRET") && !environment.contains_key("GONE"));
    let secret: Vec<String> = serde_json::from_str(&environment["VSTS_SECRET_VARIABLES"]).unwrap();
    assert_eq!(secret, ["System.AccessToken", "my.secret"]);
    assert!(environment["VSTS_PUBLIC_VARIABLES"].contains(r#""a.b c-d""#));
    assert_eq!(
        (environment["TF_BUILD"].as_str(), environment["agent.jobstatus"].as_str()),
        ("True", "Succeeded")
    );
    assert_eq!(
        (environment["SYSTEM_SERVERTYPE"].as_str(), environment["SYSTEM_HOSTTYPE"].as_str()),
        ("Hosted", "build")
    );
    assert_eq!(environment["HOME"], job.home_dir().to_str().unwrap());
    // Nothing of the test's own environment but what the agent was given.
    assert!(!environment.keys().any(|name| name.starts_with("CARGO")));
}

#[test]
fn inputs_have_defaults_and_macros() {
    let fake = FakeTask::new(DUMP).with(
        "inputs",
        json!([
            { "name": "plain name", "type": "string" },
            { "name": "flag", "type": "boolean", "defaultValue": true },
            { "name": "tags", "type": "multiLine", "defaultValue": "$(Build.BuildId)" },
            { "name": "file", "type": "filePath", "defaultValue": "**/Dockerfile" },
            { "name": "context", "type": "filePath" },
        ]),
    );
    let job = job();
    let step =
        job.step(&fake.task()).unwrap().input("Tags", "\n $(build.buildid)\n$(nope) \n").input("extra", "x");
    let environment = environment(&step);
    let inputs: Vec<_> = environment
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("INPUT_")?, value.as_str())))
        .collect();
    let sources = job.sources_dir().into_os_string().into_string().unwrap();
    let glob = format!("{sources}/**/Dockerfile");
    assert_eq!(
        inputs,
        [
            ("CONTEXT", sources.as_str()),
            ("EXTRA", "x"),
            ("FILE", glob.as_str()),
            ("FLAG", "true"),
            ("PLAIN_NAME", ""),
            ("TAGS", "20240\n$(nope)"),
        ]
    );
}

#[test]
fn only_the_named_connections_are_given() {
    let job = job();
    for id in ["AAAA-1", "bbbb-2"] {
        job.add_endpoint(Endpoint {
            id: id.into(),
            url: "https://registry.example/".into(),
            scheme: "UsernamePassword".into(),
            parameters: BTreeMap::from([("password".into(), format!("pass-{id}"))]),
            data: BTreeMap::new(),
        });
    }
    let inputs = json!([{ "name": "registry", "type": "connectedService:dockerregistry" }]);
    let step =
        job.step(&FakeTask::new(DUMP).with("inputs", inputs).task()).unwrap().input("registry", "aaaa-1");
    let environment = environment(&step);
    assert_eq!(environment["ENDPOINT_AUTH_PARAMETER_aaaa-1_PASSWORD"], "pass-AAAA-1");
    assert_eq!(environment["ENDPOINT_AUTH_SCHEME_SYSTEMVSSCONNECTION"], "OAuth");
    assert_eq!(
        environment["ENDPOINT_AUTH_SYSTEMVSSCONNECTION"],
        r#"{"parameters":{"AccessToken":"job-access-token"},"scheme":"OAuth"}"#
    );
    assert!(!environment.keys().any(|name| name.contains("bbbb")));
    assert_eq!(job.mask("pass-AAAA-1 pass-bbbb-2"), "*** ***");
}

#[test]
fn the_process_has_no_input_and_starts_in_the_sources() {
    let sources = FakeTask::new("");
    sources.file("sub/Dockerfile", "FROM scratch");
    let job = job();
    job.checkout(sources.folder.path()).unwrap();
    let script =
        "console.log(require('fs').readFileSync(0).length, process.cwd(), process.argv.length, __filename)";
    let outcome = job.step(&FakeTask::new(script).task()).unwrap().run().unwrap();
    let work = job.work_dir();
    let task = work.join("_tasks/Fake_11111111-2222-3333-4444-555555555555/1.2.3/main.js");
    assert_eq!(outcome.raw, [format!("0 {} 2 {}", job.sources_dir().display(), task.display())]);
    assert!(job.sources_dir().join("sub/Dockerfile").is_file());
}

#[test]
fn a_vsix_is_unpacked_without_mode_bits() {
    let fake = FakeTask::new("console.log(require('fs').statSync(__dirname + '/bin/tool').mode.toString(8))");
    fake.task();
    let vsix = fake.folder.path().join("a.vsix");
    let mut writer = ZipWriter::new(File::create(&vsix).unwrap());
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    for name in ["task.json", "main.js"] {
        writer.start_file(format!("task/{name}"), options).unwrap();
        writer.write_all(&fs::read(fake.folder.path().join(name)).unwrap()).unwrap();
    }
    writer.start_file("task/bin/tool", options).unwrap();
    writer.start_file("extension.vsomanifest", options).unwrap();
    writer.finish().unwrap();
    let outcome = job().step(&Task::from_vsix(&vsix).unwrap()).unwrap().run().unwrap();
    assert_eq!(outcome.raw, ["100644"]);
    // From a folder too.
    let tool = fake.file("bin/tool", "").folder.path().join("bin/tool");
    fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(job().step(&fake.task()).unwrap().run().unwrap().raw, ["100644"]);
}

#[test]
fn task_variables_reach_the_post_job_stage_of_the_same_step_only() {
    let fake =
        FakeTask::new("console.log('##vso[task.settaskvariable variable=state.file;issecret=true]here')");
    fake.file("post.js", "console.log('' + process.env.VSTS_TASKVARIABLE_STATE_FILE)");
    let job = job();
    let [step, other] = [(), ()].map(|()| job.step(&fake.task()).unwrap());
    let main = step.run().unwrap();
    assert_eq!(main.task_variables[0].value, "here");
    let post = |step: &Step| -> Outcome { step.run_post_job().unwrap() };
    assert_eq!(post(&step).raw, ["here"]);
    assert_eq!(post(&step).log, ["***"]);
    assert_eq!(post(&other).raw, ["undefined"]);
}

#[test]
fn steps_of_a_job_can_run_at_once() {
    // Each waits for the file that the other writes.
    let script = r"
        const fs = require('fs');
        const { AGENT_TEMPDIRECTORY: temp, INPUT_MINE: mine, INPUT_OTHER: other } = process.env;
        fs.writeFileSync(`${temp}/${mine}`, '');
        const met = setInterval(() => fs.existsSync(`${temp}/${other}`) && clearInterval(met), 5);
    ";
    let job = job();
    let fake = FakeTask::new(script);
    let task = fake.task();
    let running = [("a", "b"), ("b", "a")].map(|(mine, other)| {
        job.step(&task).unwrap().input("mine", mine).input("other", other).start().unwrap()
    });
    for step in running {
        assert!(step.wait().unwrap().exit.success());
    }
    let mut files = names(&job.temp_dir());
    files.sort();
    assert_eq!(files, ["a", "b"]);
}

#[test]
fn a_job_is_wiped_when_it_is_dropped() {
    let job = job();
    let root = job.root_dir().to_owned();
    job.step(&FakeTask::new("").task()).unwrap().run().unwrap();
    assert!(root.is_dir());
    drop(job);
    assert!(!root.exists());
}

#[test]
fn a_variable_that_is_too_large_for_the_system_is_named() {
    let step = step("").env("HUGE", &"x".repeat(200_000));
    let Err(error) = step.start() else { panic!("started with 200 kB in one variable") };
    assert!(error.to_string().contains("`HUGE`"), "{error}");
    let large = environment(&self::step(DUMP).env("LARGE", &"x".repeat(100_000)));
    assert_eq!(large["LARGE"].len(), 100_000);
}

#[test]
fn a_null_character_in_a_value_is_an_error() {
    let Err(error) = step("").env("NULL", "a\0b").start() else { panic!("started with a null character") };
    assert!(error.to_string().contains("`NULL`"), "{error}");
}
