//! What the agent makes of the output of a task.

use std::os::unix::process::ExitStatusExt as _;

use crate::support::{FakeTask, LIMIT, job, run, step};
use feedbuild_agent::{Outcome, TaskResult};
use serde_json::json;

#[test]
fn a_quiet_task_succeeds() {
    let outcome = run("");
    assert_eq!((outcome.result, outcome.log.as_slice()), (TaskResult::Succeeded, [].as_slice()));
    assert!(outcome.exit.success() && !outcome.output_left_open);
}

#[test]
fn lines_of_both_streams_are_logged_and_parsed() {
    let outcome = run(r"
        process.stdout.write('one\r\ntwo\rthree\n\nno end');
        process.stderr.write('#7 0.1 ##vso[task.setvariable variable=a]b\n');
    ");
    assert_eq!(outcome.log, ["one", "two", "three", "", "no end"]);
    assert_eq!(outcome.variables[0].value, "b");
}

#[test]
fn the_exit_code_and_the_said_results_are_merged() {
    for (script, result) in [
        ("process.exit(3)", TaskResult::Failed),
        ("console.log('##vso[task.complete result=Succeeded;]'); process.exit(1)", TaskResult::Failed),
        ("console.log('##vso[task.complete result=Failed;]x')", TaskResult::Failed),
        (
            "console.log('##vso[task.complete result=SucceededWithIssues]\\n##vso[task.complete result=Succeeded]')",
            TaskResult::SucceededWithIssues,
        ),
        ("console.log('##vso[task.complete result=failed]')", TaskResult::Failed),
        ("process.kill(process.pid, 'SIGKILL')", TaskResult::Failed),
    ] {
        assert_eq!(run(script).result, result, "{script}");
    }
    assert_eq!(run("process.kill(process.pid, 'SIGKILL')").exit.signal(), Some(9));
}

#[test]
fn a_command_that_fails_fails_the_step() {
    for command in [
        "##vso[task.nonsense]",
        "##vso[build.nonsense]",
        "##vso[release.updatereleasename]x",
        "##vso[task.setvariable]no name",
        "##vso[task.setvariable variable=a;issecret=true]two%0Alines",
        "##vso[task.logissue type=info]x",
        "##vso[task.complete]",
        "##vso[task.uploadsummary]/nonexistent/summary.md",
    ] {
        let outcome = run(&format!("console.log('{command}')"));
        assert_eq!((outcome.result, outcome.error_count), (TaskResult::Failed, 2), "{command}");
    }
}

#[test]
fn what_is_nearly_a_command_draws_a_warning() {
    for line in ["##vso[nobody.knows]x", "see ##vso for more", "##vso[task.logissue]no type"] {
        let outcome = run(&format!("console.log('{line}')"));
        assert_eq!((outcome.result, outcome.warning_count), (TaskResult::Succeeded, 1), "{line}");
    }
}

#[test]
fn ten_issues_of_a_kind_are_kept_and_all_are_logged() {
    let outcome = run(r"
        for (let i = 0; i < 12; i++) console.log(`##vso[task.logissue type=error;code=E${i}]error ${i}`);
        console.log('##vso[task.issue type=warning;sourcepath=Dockerfile;linenumber=3;columnnumber=1;code=X]odd%0Aline');
    ");
    assert_eq!((outcome.errors().len(), outcome.error_count, outcome.warning_count), (10, 12, 1));
    assert_eq!(outcome.warnings(), ["Dockerfile(3,1): warning X: odd\nline"]);
    assert_eq!(outcome.log[11], "##[error]error 11");
    assert_eq!(outcome.log[12..], ["##[warning]Dockerfile(3,1): warning X: odd", "line"]);
    assert_eq!(outcome.issues[0].properties, [("type".into(), "error".into()), ("code".into(), "E0".into())]);
}

#[test]
fn debug_shows_only_if_asked_for() {
    let fake =
        FakeTask::new("console.log('##vso[task.debug]hello\\n##vso[task.setvariable variable=a]b%25')");
    let job = job();
    assert_eq!(job.step(&fake.task()).unwrap().run().unwrap().log, [""; 0]);
    job.set_variable("System.Debug", "True");
    assert_eq!(
        job.step(&fake.task()).unwrap().run().unwrap().log,
        ["##[debug]hello", "##[debug]Processed: ##vso[task.setvariable variable=a]b%25"]
    );
}

#[test]
fn secrets_are_masked_from_the_line_on_that_registers_them() {
    let job = job();
    job.set_secret_variable("password", "swordfish");
    let fake = FakeTask::new(
        r"
        const token = process.env.ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN;
        console.log(`${token} ${Buffer.from(token).toString('base64')} swordfish late/one`);
        console.log('##vso[task.setsecret]late/one');
        console.log(`late/one late%2Fone ${Buffer.from('late/one').toString('base64')}`);
        console.log('##vso[task.logissue type=error]not late/one');
        console.log('##vso[task.setvariable variable=v;issecret=true]hidden');
        console.log('hidden https://user:anything@host/');
        console.log('##vso[task.setvariable variable=V]still hidden');
        console.log('still hidden');
    ",
    );
    let outcome = job.step(&fake.task()).unwrap().run().unwrap();
    assert_eq!(
        outcome.log,
        [
            "*** *** *** late/one",
            "*** *** bGF0ZS9vbmU=",
            "##[error]not ***",
            "*** https://user:***@host/",
            "***",
        ]
    );
    assert_eq!(outcome.errors(), ["not ***"]);
    assert!(outcome.raw[2].contains("late/one"));
    assert!(outcome.masks.contains(&"late%2Fone".to_owned()));
}

#[test]
fn output_variables_are_kept_apart_and_the_rest_reaches_the_next_step() {
    let first = FakeTask::new(
        r"
        console.log('##vso[task.setvariable variable=declared]one');
        console.log('##vso[task.setvariable variable=flagged;isoutput=true]two');
        console.log('##vso[task.setvariable variable=plain]three');
        console.log('##vso[task.setvariable variable=Kept.Case;preservecase=true]four');
        console.log('##vso[task.setvariable variable=hush;issecret=true]five');
        console.log('##vso[task.prependpath]/opt/one\n##vso[task.prependpath]/opt/two');
    ",
    )
    .with("outputVariables", json!([{ "name": "declared" }]));
    let job = job();
    let outcome = job.step(&first.task()).unwrap().name("build").run().unwrap();
    assert_eq!((outcome.output("declared"), outcome.output("flagged")), (Some("one"), Some("two")));
    assert_eq!(job.variable("build.declared").unwrap().value, "one");
    assert_eq!(job.variable("declared"), None);

    let second = FakeTask::new("console.log(process.env.INPUT_TEXT, process.env.PATH.slice(0, 18))")
        .with("name", json!("Another"));
    let step =
        job.step(&second.task()).unwrap().input("text", "$(build.declared) $(PLAIN) $(flagged) $(hush)");
    let text = step.without("VSTS_PUBLIC_VARIABLES").run().unwrap();
    assert_eq!(text.raw, ["one three $(flagged) five /opt/two:/opt/one:"]);
    assert_eq!(text.log, ["one three $(flagged) *** /opt/two:/opt/one:"]);
}

#[test]
fn restrictions_of_the_task_are_honoured() {
    let fake = FakeTask::new(
        r"
        console.log('##vso[task.setvariable variable=imageDigest]yes');
        console.log('##vso[task.setvariable variable=LD_PRELOAD]no');
        console.log('##vso[task.prependpath]/evil\n##vso[task.uploadsummary]/nonexistent\n##vso[build.addbuildtag]x');
    ",
    )
    .with(
        "restrictions",
        json!({ "commands": { "mode": "restricted" }, "settableVariables": { "allowed": ["IMAGE*"] } }),
    );
    let outcome = job().step(&fake.task()).unwrap().run().unwrap();
    assert_eq!((outcome.result, outcome.warning_count), (TaskResult::Succeeded, 4));
    let set: Vec<_> = outcome.variables.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(set, ["imageDigest"]);
}

#[test]
fn predefined_variables_are_read_only() {
    let outcome = run("console.log('##vso[task.setvariable variable=agent.tempdirectory]/elsewhere')");
    assert_eq!((outcome.result, outcome.warning_count), (TaskResult::Succeeded, 1));
}

#[test]
fn attached_files_keep_the_content_they_had() {
    let outcome = run(r"
        const fs = require('fs');
        const file = process.env.AGENT_TEMPDIRECTORY + '/summary.md';
        fs.writeFileSync(file, '# Image');
        console.log(`##vso[task.uploadsummary]${file}\n##vso[task.addattachment type=t;name=n]${file}`);
    ");
    assert_eq!(outcome.summaries(), ["# Image"]);
    assert_eq!(
        (outcome.attachments[0].name.as_str(), outcome.attachments[1].kind.as_str()),
        ("summary.md", "t")
    );
    assert_eq!(outcome.attachments[0].kind, Outcome::SUMMARY);
}

#[test]
fn the_echo_gets_the_masked_log_as_it_is_written() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let running = step("console.log('job-access-token'); setTimeout(() => {}, 1e6)")
        .echo(move |line| sender.send(line.to_owned()).unwrap())
        .start()
        .unwrap();
    assert_eq!(receiver.recv_timeout(LIMIT).unwrap(), "***");
    running.kill_launcher().unwrap();
    assert_eq!(running.wait().unwrap().result, TaskResult::Failed);
}
