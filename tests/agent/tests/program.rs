//! The program `feedbuild-agent`.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::FakeTask;

#[test]
fn it_logs_masked_reports_and_exits_with_the_result() {
    let endpoint = json!({
        "id": "abcd", "url": "https://registry.example/", "scheme": "UsernamePassword",
        "parameters": { "password": "swordfish" }
    });
    let fake = FakeTask::new(
        r"
        const { env } = process;
        console.log(env.INPUT_TEXT, env.ENDPOINT_AUTH_PARAMETER_abcd_PASSWORD, env.STEP, env.HOST);
        console.log(env.ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN, require('fs').readdirSync('.').length > 0);
        console.log('##vso[task.setvariable variable=digest;isoutput=true]sha256:1');
        console.log(`##vso[task.complete result=${env.INPUT_RESULT}]`);
    ",
    )
    .with("inputs", json!([{ "name": "registry", "type": "connectedService:dockerregistry" }]));
    fake.file("post.js", "console.log('cleaned')").file("token", "job-access-token\n").task();
    fake.file("endpoint.json", &endpoint.to_string());
    let path = |name: &str| fake.folder.path().join(name).into_os_string().into_string().unwrap();
    let run = |result: &str| {
        Command::new(env!("CARGO_BIN_EXE_feedbuild-agent"))
            .args([
                "--task",
                &path(""),
                "--sources",
                &path(""),
                "--collection",
                "https://dev.azure.com/fabrikam/",
            ])
            .args([
                "--token-file",
                &path("token"),
                "--endpoint-file",
                &path("endpoint.json"),
                "--report",
                &path("report"),
            ])
            .args(["--input", "text=a=$(name)", "--input", "registry=abcd", "--variable", "name=b"])
            .args(["--env", "STEP=c", "--host-env", "HOST=d", "--input", &format!("result={result}")])
            .output()
            .unwrap()
    };
    let succeeded = run("Succeeded");
    assert_eq!(String::from_utf8(succeeded.stdout).unwrap(), "a=b *** c d\n*** true\ncleaned\n");
    assert!(succeeded.status.success());
    let report: Value = serde_json::from_slice(&fs::read(path("report")).unwrap()).unwrap();
    assert_eq!(
        (&report["result"], &report["outputVariables"]["digest"]),
        (&json!("Succeeded"), &json!("sha256:1"))
    );
    assert_eq!(run("SucceededWithIssues").status.code(), Some(1));
}
