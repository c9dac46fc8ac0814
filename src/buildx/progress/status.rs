//! One line of `--progress=rawjson`: BuildKit's `client.SolveStatus` as JSON (`client/graph.go`).
//!
//! Rule: no shape of a line stops a build. What cannot be read is left out, and it is known that something was.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

const KEYS: [&str; 4] = ["vertexes", "statuses", "logs", "warnings"];

/// What a line of the client is.
#[derive(Debug)]
pub(super) enum Line<'a> {
    /// Progress.
    Status(Status),
    /// A line for people.
    Text(&'a str),
    /// Progress that cannot be read.
    Unreadable,
}

/// What happened since the line before.
#[derive(Debug, Default)]
pub(super) struct Status {
    pub(super) vertexes: Vec<Vertex>,
    pub(super) statuses: Vec<Transfer>,
    pub(super) logs: Vec<Log>,
    pub(super) warnings: Vec<Warning>,
    /// Whether something in it could not be read.
    pub(super) is_partial: bool,
}

/// A step of the build, as far as it has come.
#[derive(Debug, Deserialize)]
pub(super) struct Vertex {
    pub(super) digest: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default, deserialize_with = "timestamp")]
    pub(super) started: Option<SystemTime>,
    #[serde(default, deserialize_with = "timestamp")]
    pub(super) completed: Option<SystemTime>,
    #[serde(default)]
    pub(super) cached: bool,
    #[serde(default)]
    pub(super) error: String,
    #[serde(default, rename = "progressGroup")]
    pub(super) group: Option<Group>,
}

/// Several vertexes that are one step to people, e.g. those of `COPY --link`.
#[derive(Debug, Deserialize)]
pub(super) struct Group {
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: String,
}

/// How far something that a step does has come, e.g. a download.
#[derive(Debug, Deserialize)]
pub(super) struct Transfer {
    pub(super) id: String,
    pub(super) vertex: String,
    #[serde(default)]
    pub(super) total: u64,
    #[serde(default)]
    pub(super) current: u64,
    #[serde(default, deserialize_with = "timestamp")]
    pub(super) timestamp: Option<SystemTime>,
    #[serde(default, deserialize_with = "timestamp")]
    pub(super) started: Option<SystemTime>,
    #[serde(default, deserialize_with = "timestamp")]
    pub(super) completed: Option<SystemTime>,
}

/// A piece of what a step printed: it begins and ends anywhere.
#[derive(Debug, Deserialize)]
pub(super) struct Log {
    pub(super) vertex: String,
    /// 1 is the standard output, 2 the standard error.
    #[serde(default)]
    pub(super) stream: i64,
    #[serde(deserialize_with = "bytes")]
    pub(super) data: Vec<u8>,
    #[serde(default, deserialize_with = "timestamp")]
    pub(super) timestamp: Option<SystemTime>,
}

/// A finding of Dockerfile checks.
#[derive(Debug, Deserialize)]
pub(super) struct Warning {
    #[serde(default)]
    pub(super) vertex: String,
    #[serde(deserialize_with = "text")]
    pub(super) short: String,
    #[serde(default, deserialize_with = "texts")]
    pub(super) detail: Vec<String>,
    #[serde(default)]
    pub(super) url: String,
    #[serde(default, rename = "sourceInfo")]
    pub(super) source: Source,
    #[serde(default, rename = "range")]
    pub(super) ranges: Vec<Range>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Source {
    #[serde(default)]
    pub(super) filename: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Range {
    #[serde(default)]
    pub(super) start: Position,
    #[serde(default)]
    pub(super) end: Position,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Position {
    /// From 1 on.
    #[serde(default)]
    pub(super) line: u32,
}

impl Status {
    /// The latest moment that it speaks of.
    pub(super) fn latest(&self) -> Option<SystemTime> {
        let vertexes = self.vertexes.iter().flat_map(|vertex| [vertex.started, vertex.completed]);
        let statuses = self.statuses.iter().map(|transfer| transfer.timestamp);
        let logs = self.logs.iter().map(|log| log.timestamp);
        vertexes.chain(statuses).chain(logs).flatten().max()
    }
}

/// Reads a line of the client.
pub(super) fn parse(line: &str) -> Line<'_> {
    if !line.starts_with('{') {
        return Line::Text(line);
    }
    match serde_json::from_str(line) {
        Ok(Value::Object(mut object))
            if object.is_empty() || KEYS.iter().any(|&key| object.contains_key(key)) =>
        {
            let mut status = Status::default();
            let mut take = |key: &str| object.remove(key);
            let [vertexes, statuses, logs, warnings] = KEYS.map(&mut take);
            status.vertexes = elements(vertexes, &mut status.is_partial);
            status.statuses = elements(statuses, &mut status.is_partial);
            status.logs = elements(logs, &mut status.is_partial);
            status.warnings = elements(warnings, &mut status.is_partial);
            Line::Status(status)
        }
        // Cut short, e.g. since the client was killed. Its pieces of logs are not for people.
        Err(_) if KEYS.iter().any(|key| line[1..].starts_with(&format!("\"{key}\""))) => Line::Unreadable,
        Ok(_) | Err(_) => Line::Text(line),
    }
}

/// The elements that can be read.
fn elements<T: DeserializeOwned>(list: Option<Value>, is_partial: &mut bool) -> Vec<T> {
    let list = match list {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(list)) => list,
        Some(_) => {
            *is_partial = true;
            return Vec::new();
        }
    };
    let count = list.len();
    let read: Vec<T> = list.into_iter().filter_map(|element| serde_json::from_value(element).ok()).collect();
    *is_partial |= read.len() < count;
    read
}

/// The engine's timestamps are in UTC, those of buildx's own steps have the agent's offset.
fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let text = Value::deserialize(deserializer)?;
    Ok(text
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok())
        .and_then(|time| SystemTime::try_from(time).ok()))
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(String::from_utf8_lossy(&bytes(deserializer)?).into_owned())
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?.into_iter();
    let decode =
        |text: String| STANDARD.decode(text).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    texts.map(|text| decode(text).map_err(D::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn status(line: &str) -> Status {
        match parse(line) {
            Line::Status(status) => status,
            other => panic!("{line} is {other:?}"),
        }
    }

    #[test]
    fn logs_are_decoded() {
        let status = status(
            r#"{"logs":[{"vertex":"v","stream":2,"data":"YQ1iCg==","timestamp":"2026-11-24T11:32:49Z"}]}"#,
        );
        let [log] = &status.logs[..] else { panic!("{status:?}") };
        assert_eq!((log.vertex.as_str(), log.stream, &log.data[..]), ("v", 2, &b"a\rb\n"[..]));
        assert!(log.timestamp.is_some() && !status.is_partial);
    }

    #[test]
    fn timestamps_may_have_an_offset() {
        let times = [
            ("2026-11-24T11:32:48.238010061Z", Some(238_010_061)),
            ("2026-11-24T13:02:48.5+01:30", Some(500_000_000)),
            ("now", None),
        ];
        for (text, nanoseconds) in times {
            let status = status(&format!(r#"{{"vertexes":[{{"digest":"d","started":"{text}"}}]}}"#));
            let second: Timestamp = "2026-11-24T11:32:48Z".parse().expect("a time");
            let second = SystemTime::try_from(second).expect("it is after 1970");
            let expected = nanoseconds.map(|nanoseconds| second + Duration::from_nanos(nanoseconds));
            assert_eq!(status.vertexes[0].started, expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_takes_nothing_else_along() {
        for line in [
            r#"{"vertexes":[{"digest":7},{"digest":"d","started":"yesterday","new":[1]},null],"statuses":null}"#,
            r#"{"vertexes":[{"digest":"d"}],"logs":[{"vertex":"d","data":"%"}],"future":1}"#,
            r#"{"vertexes":[{"digest":"d"}],"warnings":"many"}"#,
        ] {
            let status = status(line);
            let digests: Vec<&str> = status.vertexes.iter().map(|vertex| vertex.digest.as_str()).collect();
            assert_eq!((&digests[..], status.is_partial), (&["d"][..], true), "{line}");
        }
    }

    #[test]
    fn lines_for_people_are_told_from_progress() {
        for line in ["", "Dockerfile:3", "{", "{}x", r#"{"errors":[]}"#, r#"["logs"]"#, "{\"logged\" in}"] {
            assert!(matches!(parse(line), Line::Text(text) if text == line), "{line}");
        }
        for line in [r#"{"logs":[{"vertex":"v","data":"c2Vj"#, r#"{"vertexes""#] {
            assert!(matches!(parse(line), Line::Unreadable), "{line}");
        }
        assert!(status("{}").vertexes.is_empty());
    }
}
