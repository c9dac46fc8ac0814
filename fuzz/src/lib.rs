//! What is fuzzed, and what has to hold whatever the bytes are. Each target panics if it does not.

use std::sync::LazyLock;

use feedbuild::agent::logging::{FileLine, LoggingCommand, neutralise};
use feedbuild::guard::archive::{Limits, walk};
use feedbuild::guard::{Needle, Searcher};
use feedbuild::lines::LineBuffer;
use feedbuild::redact::Redactor;

/// What must never get through.
const SECRET: &str = "s3cr3t-of-the-feed";

/// What archives may unpack to: little, so that a bomb is one soon.
const LIMITS: Limits = Limits { ratio: 20, least: 1 << 14, total: 1 << 16, window: 1 << 16 };

thread_local! {
    static REDACTOR: Redactor = {
        let mut redactor = Redactor::default();
        redactor.add(SECRET.as_bytes(), true);
        redactor
    };
}

static SEARCHER: LazyLock<Searcher> =
    LazyLock::new(|| Searcher::new(Needle::fed("secret", SECRET.as_bytes()).into_iter().collect()));

/// The readers of tar, zip, gzip and zstd: a secret that lies openly in the bytes is found, whatever they are said to
/// be; and no more is unpacked than allowed.
pub fn archive(data: &[u8]) {
    let (walked, _) = walk(data, &SEARCHER, &LIMITS);
    let is_found = !walked.hits.is_empty();
    assert!(is_found || memchr::memmem::find(data, SECRET.as_bytes()).is_none(), "the secret is overlooked");
    // What the layer itself is compressed to has no bound.
    let is_compressed = data.starts_with(b"\x1f\x8b") || data.starts_with(b"\x28\xb5\x2f\xfd");
    assert!(is_compressed || walked.bytes <= data.len() as u64 + LIMITS.total, "{} bytes", walked.bytes);
}

/// The way of a child's output to the log: no secret and no logging command gets through, and how the bytes are cut
/// changes nothing. The first byte says how they are.
pub fn log(data: &[u8]) {
    let Some((cut, text)) = data.split_first() else { return };
    let lines = |chunk: usize| {
        let mut lines = Vec::new();
        let mut on_line = |line: &str| {
            lines.push(REDACTOR.with(|redactor| neutralise(&redactor.redact(line)).into_owned()));
        };
        let mut buffer = LineBuffer::new(<[u8]>::len);
        text.chunks(chunk).for_each(|chunk| buffer.push(chunk, &mut on_line));
        buffer.flush(&mut on_line);
        lines
    };
    let shown = lines(usize::from(*cut).max(1));
    assert_eq!(shown, lines(text.len().max(1)), "the cuts change the lines");
    for line in shown {
        assert!(!line.contains(['\n', '\r']) && !line.to_ascii_lowercase().contains("##vso"), "{line:?}");
        SEARCHER.find(line.as_bytes(), &mut |hit| panic!("{hit:?} in {line:?}"));
    }
}

/// Logging commands: the agent reads one line, one command, and the very values that were meant.
pub fn command(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (name, value) = text.split_once('\n').unwrap_or(("", &text));
    let at = FileLine { path: name, line: 7, code: None };
    let commands = [
        (LoggingCommand::SetOutput(name, value), Some("variable")),
        (LoggingCommand::SetSecret(value), None),
        (LoggingCommand::Error(value), None),
        (LoggingCommand::ErrorAt(at, value), Some("sourcepath")),
        (LoggingCommand::UploadSummary(value), None),
    ];
    // One at a time is faster, and each gets its share.
    let (command, property) = commands[data.len() % commands.len()];
    let line = command.to_string();
    assert!(!line.contains(['\n', '\r']), "{line:?}");
    let (properties, data) = parse(&line);
    assert_eq!(unescape(data), value);
    if let Some(key) = property {
        let mut pairs = properties.split(';').filter_map(|pair| pair.split_once('='));
        let own = pairs.find(|(known, _)| *known == key).map(|(_, value)| unescape(value));
        assert_eq!(own.as_deref(), Some(name), "{line:?}");
    }
}

/// Properties and data, as the agent takes a line apart (`Command.TryParse` in its `Agent.Sdk`).
fn parse(line: &str) -> (&str, &str) {
    let command = line.strip_prefix("##vso[").expect("a command");
    let (head, data) = command.split_once(']').expect("the end of a command");
    (head.split_once(' ').map_or("", |(_, properties)| properties), data)
}

/// In the agent's order: percent last.
fn unescape(text: &str) -> String {
    text.replace("%3B", ";")
        .replace("%0D", "\r")
        .replace("%0A", "\n")
        .replace("%5D", "]")
        .replace("%AZP25", "%")
}
