//! Whole summaries.

use std::path::Path;

use super::*;
use crate::buildx::progress::{BuildStep, Failure, Instruction, Location, StepEnd};

fn step(name: &str, end: StepEnd, millis: u64) -> BuildStep {
    BuildStep {
        name: name.to_owned(),
        instruction: Instruction::parse(name),
        end,
        duration: Duration::from_millis(millis),
    }
}

#[test]
fn a_push_is_told_whole() {
    let build = BuildLog {
        steps: vec![
            step("[1/2] FROM base", StepEnd::Cached, 0),
            step("[2/2] RUN make", StepEnd::Done, 60_500),
        ],
        warnings: vec![CheckWarning {
            rule: Some("StageNameCasing".to_owned()),
            message: "Stage name 'B' should be lowercase".to_owned(),
            detail: Vec::new(),
            url: Some("https://docs.example/".to_owned()),
            location: Some(Location { file: "Dockerfile".to_owned(), first: 1, last: 1 }),
        }],
        ..BuildLog::default()
    };
    let report = Report {
        references: vec!["registry.example:5000/app:1".into(), "registry.example:5000/app:2".into()],
        digest: Some("sha256:d".into()),
        image_id: Some("sha256:i".into()),
        pushed: true,
        makeup: vec![Makeup { platform: "linux/amd64".into(), size: 123_456_789, layers: 7 }],
        feeds: vec!["shared".into()],
        tokens: vec!["job access token"],
        secrets: vec!["PIP_EXTRA_URL".into()],
        stages: vec![("Sign in", Duration::from_millis(120)), ("Build", Duration::from_secs(61))],
        build_args: vec!["VERSION=1".into()],
        build: Some(build),
        guard: Some(vec!["2 layers were read".into()]),
        notices: vec!["`network` is <b>".into()],
        ..Report::default()
    };
    assert_eq!(
        report.markdown(&str::to_owned),
        "### Image built and pushed\n\
         \n\
         ```text\n\
         docker pull registry.example:5000/app@sha256:d\n\
         ```\n\
         \n\
         | | |\n|---|---|\n\
         | Image | `registry.example:5000/app:1`<br>`registry.example:5000/app:2` |\n\
         | Digest | `sha256:d` |\n\
         | Image id | `sha256:i` |\n\
         | Feeds | `shared` |\n\
         | Opened by | `job access token` |\n\
         | Secret ids | `PIP_EXTRA_URL` |\n\
         | Size | `linux/amd64` 123.46MB in 7 layers |\n\
         | Sign in | 0.1 s |\n\
         | Build | 1 min 01 s |\n\
         \n\
         | Stage | Layers | From the cache | Time |\n|---|--:|--:|--:|\n\
         | the only one | 1 | 0 | 1 min 00 s |\n\
         \n\
         | Slowest steps | Time | |\n|---|--:|---|\n\
         | `[2/2] RUN make` | 1 min 00 s | ████████████████████████ |\n\
         \n\
         | Build argument | Value |\n|---|---|\n\
         | `VERSION` | `1` |\n\
         \n\
         **Check of the image**\n\
         \n\
         - 2 layers were read\n\
         \n\
         **Checks of the Dockerfile**\n\
         \n\
         - `Dockerfile:1` StageNameCasing: Stage name 'B' should be lowercase\n\
         \n\
         **Notices**\n\
         \n\
         - `network` is \\<b\\>\n"
    );
}

#[test]
fn a_failure_is_told_with_what_was_printed_last() {
    let failure = Failure {
        step: Some("[2/2] RUN make".into()),
        last_lines: vec!["no rule ##vso[task.complete]".into()],
        location: Some(Location { file: "Dockerfile".into(), first: 2, last: 2 }),
        message: None,
    };
    let report = Report {
        dockerfile: Some("/s/app/Dockerfile".into()),
        build: Some(BuildLog { failure: Some(failure), ..BuildLog::default() }),
        error: Some("the build failed (exit code 1)\n```\n# injected".into()),
        ..Report::default()
    };
    assert_eq!(
        report.markdown(&str::to_owned),
        "### Build failed\n\
         \n\
         ````text\n\
         the build failed (exit code 1)\n\
         ```\n\
         # injected\n\
         ````\n\
         \n\
         Failed: `[2/2] RUN make` at `/s/app/Dockerfile:2`\n\
         \n\
         ```text\n\
         no rule **vso[task.complete]\n\
         ```\n\
         \n"
    );
    assert_eq!(report.failed_line(), Some((Path::new("/s/app/Dockerfile").to_owned(), 2)));
}

#[test]
fn a_build_in_the_classic_store_says_that_it_has_no_digest() {
    let report = Report { image_id: Some("sha256:i".into()), ..Report::default() };
    assert_eq!(
        report.markdown(&str::to_owned),
        "### Image built\n\
         \n\
         | | |\n|---|---|\n\
         | Image id | `sha256:i` |\n\
         | Digest | none before a push: the engine's store keeps no manifests |\n"
    );
}

#[test]
fn no_secret_and_no_command_is_in_any_part_of_it() {
    let secret = "p<a>|s`s";
    let redact = |text: &str| text.replace(secret, "***");
    let text = format!("x {secret} ##vso[task.complete]y\n##VSO[task.complete]z");
    let log = BuildLog {
        steps: vec![step(&format!("[{secret} 1/1] RUN {secret}"), StepEnd::Failed, 500)],
        warnings: vec![CheckWarning {
            rule: Some(text.clone()),
            message: text.clone(),
            detail: vec![text.clone()],
            url: Some(text.clone()),
            location: Some(Location { file: text.clone(), first: 1, last: 1 }),
        }],
        failure: Some(Failure {
            step: Some(text.clone()),
            last_lines: vec![text.clone()],
            location: Some(Location { file: text.clone(), first: 1, last: 1 }),
            message: Some(text.clone()),
        }),
        has_secret: true,
    };
    let report = Report {
        references: vec![text.clone()],
        tags: vec![text.clone()],
        digest: Some(text.clone()),
        image_id: Some(text.clone()),
        makeup: vec![Makeup { platform: text.clone(), size: 1, layers: 1 }],
        feeds: vec![text.clone()],
        secrets: vec![text.clone()],
        dockerfile: Some(text.clone().into()),
        build_args: vec![format!("{secret}={secret}")],
        build: Some(log),
        guard: Some(vec![text.clone()]),
        notices: vec![text.clone()],
        error: Some(text.clone()),
        ..Report::default()
    };
    let markdown = report.markdown(&redact);
    for form in [secret, "p\\<a\\>", "p<a>", "p&lt;a"] {
        assert!(!markdown.contains(form), "{markdown}");
    }
    assert!(markdown.contains("**vso[") && !markdown.to_lowercase().contains("##vso"), "{markdown}");
}
