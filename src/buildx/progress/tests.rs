//! Whole outputs of clients, and what is told of them.

use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "canary-5ecret-value";

/// Lines of the log, and the record, of a client that says this.
fn told(lines: &[String], is_failed: bool) -> (Vec<String>, BuildLog) {
    let console = Arc::new(Console::default());
    console.know("a secret", &SecretString::from(SECRET));
    let mut shown = Vec::new();
    let mut tell = |told: Told<'_>| match told {
        Told::Line(line) => shown.push(line.to_owned()),
        Told::Percent { percent, done, all } => shown.push(format!("{percent}% {done}/{all}")),
    };
    let mut progress = Progress::new(console);
    for line in lines {
        progress.take(line, &mut tell);
    }
    let log = progress.end(is_failed, &mut tell);
    (shown, log)
}

fn at(millis: u64) -> String {
    format!("2026-11-24T11:00:{:02}.{:03}Z", millis / 1000, millis % 1000)
}

fn vertex(digest: &str, name: &str, times: (Option<u64>, Option<u64>), more: &Value) -> String {
    let mut vertex = json!({"digest": digest, "name": name});
    for (key, time) in [("started", times.0), ("completed", times.1)] {
        if let Some(time) = time {
            vertex[key] = at(time).into();
        }
    }
    for (key, value) in more.as_object().into_iter().flatten() {
        vertex[key] = value.clone();
    }
    json!({"vertexes": [vertex]}).to_string()
}

fn log(vertex: &str, stream: u8, data: &str, time: u64) -> String {
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(data);
    json!({"logs": [{"vertex": vertex, "stream": stream, "data": data, "timestamp": at(time)}]}).to_string()
}

#[test]
fn parallel_steps_never_share_a_line() {
    let none = json!({});
    let (shown, _) = told(
        &[
            vertex("a", "[one 1/2] RUN a", (Some(0), None), &none),
            vertex("b", "[two 1/1] RUN b", (Some(0), None), &none),
            log("a", 1, "par", 100),
            log("b", 1, "whole\npart of ", 200),
            log("a", 2, "err", 300),
            log("a", 1, "t\r\nprogress\rlast", 400),
            log("b", 1, "b\n", 500),
            vertex("b", "[two 1/1] RUN b", (Some(0), Some(1000)), &none),
            vertex("a", "[one 1/2] RUN a", (Some(0), Some(1200)), &none),
            vertex("c", "[one 2/2] COPY x y", (Some(1201), Some(1202)), &json!({"cached": true})),
        ],
        false,
    );
    assert_eq!(
        shown,
        [
            "#1 [one 1/2] RUN a",
            "#2 [two 1/1] RUN b",
            "#2 0.200 whole",
            "#1 0.100 part",
            "#1 0.400 progress",
            "#2 0.200 part of b",
            "#2 DONE 1.0s",
            "50% 1/2",
            "#1 0.400 last",
            "#1 0.300 err",
            "#1 DONE 1.2s",
            "66% 2/3",
            "#3 [one 2/2] COPY x y",
            "#3 CACHED",
            "100% 3/3",
        ]
    );
}

#[test]
fn a_step_that_starts_again_is_done_once() {
    let (copy, group) =
        ("[2/2] COPY --link a b", json!({"progressGroup": {"id": "g", "name": "[2/2] COPY --link a b"}}));
    let cached = json!({"cached": true});
    let (shown, log) = told(
        &[
            vertex("f", "[1/2] FROM base", (None, None), &json!({})),
            vertex("c", copy, (None, None), &group),
            vertex("f", "[1/2] FROM base", (Some(0), Some(20)), &json!({})),
            vertex("f", "[1/2] FROM base", (Some(21), None), &cached),
            vertex("f", "[1/2] FROM base", (Some(21), Some(30)), &cached),
            vertex("c", copy, (Some(30), Some(50)), &group),
            vertex("m", "[2/2] LINK COPY --link a b", (Some(51), None), &group),
            vertex("m", "[2/2] LINK COPY --link a b", (Some(51), Some(151)), &group),
        ],
        false,
    );
    assert_eq!(
        shown,
        [
            "#1 [1/2] FROM base",
            "#1 CACHED",
            "50% 1/2",
            "#2 [2/2] COPY --link a b",
            "#2 DONE 0.1s",
            "100% 2/2"
        ]
    );
    let ends: Vec<_> = log.steps.iter().map(|step| (step.name.as_str(), step.end)).collect();
    assert_eq!(ends, [("[1/2] FROM base", StepEnd::Cached), (copy, StepEnd::Done)]);
}

#[test]
fn a_secret_in_pieces_is_redacted_and_known_to_be_there() {
    let run = |end| vertex("a", "[1/1] RUN x", (Some(0), end), &json!({}));
    let (first, second) = SECRET.split_at(7);
    let lines = [run(None), log("a", 1, first, 1), log("a", 1, &format!("{second}\n"), 2), run(Some(10))];
    let (shown, log) = told(&lines, false);
    assert_eq!(shown, ["#1 [1/1] RUN x", "#1 0.001 ***", "#1 DONE 0.0s", "100% 1/1"]);
    assert!(log.has_secret);
    assert!(!told(&[run(Some(1))], false).1.has_secret);
}

#[test]
fn a_failure_has_its_step_its_lines_and_its_place() {
    let canceled = json!({"error": "Canceled: context canceled"});
    let error = json!({"error": format!("process \"make {SECRET}\" did not complete")});
    let text = "Dockerfile:3\n--------------------\n   2 |     RUN a\n   3 | >>> RUN make \\\n   4 | >>>   all\n   5 |     RUN c\n\
                --------------------\nERROR: failed to build: process";
    let mut lines = vec![
        vertex("a", "[a 1/1] RUN a", (Some(0), None), &json!({})),
        vertex("b", "[2/2] RUN make   all", (Some(0), None), &json!({})),
    ];
    lines.extend((0..30).map(|number| log("b", 1, &format!("line {number}\n"), 5)));
    lines.push(log("b", 2, "cause", 6));
    lines.push(vertex("b", "[2/2] RUN make   all", (Some(0), Some(1500)), &error));
    lines.push(vertex("a", "[a 1/1] RUN a", (Some(0), Some(1501)), &canceled));
    lines.extend(text.lines().map(str::to_owned));
    let (shown, log) = told(&lines, true);
    let end = [
        "#2 0.006 cause",
        "#2 ERROR: process \"make ***\" did not complete",
        "50% 1/2",
        "#1 CANCELED",
        "100% 2/2",
        "Dockerfile:3",
    ];
    let place = shown.iter().position(|line| line == end[0]).expect("it is there");
    assert_eq!(shown[place..place + end.len()], end);
    let failure = log.failure.expect("it failed");
    assert_eq!(failure.step.as_deref(), Some("[2/2] RUN make   all"));
    assert_eq!((failure.last_lines.len(), failure.last_lines[19].as_str()), (20, "cause"));
    assert_eq!(failure.location, Some(Location { file: "Dockerfile".to_owned(), first: 3, last: 4 }));
    assert_eq!(failure.message.as_deref(), Some("failed to build: process"));
    assert_eq!(log.steps[0].end, StepEnd::Stopped);
}

#[test]
fn an_error_of_the_parser_has_a_place() {
    let (_, log) = told(&["dockerfile parse error on line 12: unknown instruction: RUM".to_owned()], true);
    assert_eq!(
        log.failure.and_then(|failure| failure.location),
        Some(Location { file: String::new(), first: 12, last: 12 })
    );
}

#[test]
fn a_check_is_told_in_a_line_and_kept_in_its_parts() {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let warning = json!({"warnings": [{
        "vertex": "d", "level": 1, "short": encode("FromAsCasing: 'as' and 'FROM' differ (line 4)"),
        "detail": [encode("The 'as' keyword should match")], "url": "https://docs.example/from-as-casing/",
        "sourceInfo": {"filename": "Dockerfile", "data": ""},
        "range": [{"start": {"line": 4}, "end": {"line": 5}}]
    }]});
    let load =
        vertex("d", "[internal] load build definition from Dockerfile", (Some(0), Some(1)), &json!({}));
    let (shown, log) = told(&[load, warning.to_string(), warning.to_string()], false);
    assert_eq!(
        shown,
        [
            "#1 [internal] load build definition from Dockerfile",
            "#1 WARN: FromAsCasing: 'as' and 'FROM' differ (line 4)",
            "#1 DONE 0.0s"
        ]
    );
    assert_eq!(
        log.warnings,
        [CheckWarning {
            rule: Some("FromAsCasing".to_owned()),
            message: "'as' and 'FROM' differ".to_owned(),
            detail: vec!["The 'as' keyword should match".to_owned()],
            url: Some("https://docs.example/from-as-casing/".to_owned()),
            location: Some(Location { file: "Dockerfile".to_owned(), first: 4, last: 5 }),
        }]
    );
}

#[test]
fn a_client_that_is_killed_loses_nothing_that_it_said() {
    let lines = [
        vertex("a", "[1/1] RUN x", (Some(0), None), &json!({})),
        log("a", 1, "half a line", 1),
        "{\"logs\":[{\"vertex\":\"a\",\"data\":\"c2Vjcm".to_owned(),
        "{\"logs\":[{\"vertex\":\"a\",\"data\":\"c2Vjcm".to_owned(),
    ];
    let lost =
        "notice: the docker client tells its progress in a shape that is not known; lines may be missing";
    assert_eq!(told(&lines, true).0, ["#1 [1/1] RUN x", lost, "#1 0.001 half a line"]);
}

#[test]
fn plain_progress_is_told_as_it_is_and_read_for_the_report() {
    let lines = "#1 [internal] load build definition from Dockerfile\n#1 sha256:ab\n#1 DONE 0.0s\n#6 [a 1/3] FROM base\n\
                 #6 CACHED\n#4 [a 3/3] RUN make\n#4 0.087 one\n#4 0.090 two\n#4 ERROR: process did not complete\n\
                 ------\n > [a 3/3] RUN make:\n------\nprocess did not complete";
    let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
    let (shown, log) = told(&lines, true);
    assert_eq!(shown, lines);
    let steps: Vec<_> = log.steps.iter().map(|step| (step.name.as_str(), step.end)).collect();
    assert_eq!(
        steps,
        [
            ("[internal] load build definition from Dockerfile", StepEnd::Done),
            ("[a 1/3] FROM base", StepEnd::Cached),
            ("[a 3/3] RUN make", StepEnd::Failed)
        ]
    );
    let failure = log.failure.expect("it failed");
    assert_eq!(
        (failure.step.as_deref(), &failure.last_lines[..], failure.message.as_deref()),
        (
            Some("[a 3/3] RUN make"),
            &["one".to_owned(), "two".to_owned()][..],
            Some("process did not complete")
        )
    );
}
