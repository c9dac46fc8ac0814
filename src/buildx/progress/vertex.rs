//! A step of the build as its messages come in: when it ran, what it printed and how it ended.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use super::log::{BuildStep, StepEnd};
use super::name::Instruction;
use super::status;
use crate::lines::LineBuffer;

/// How many of its lines are kept for the case that it fails.
const TAIL: usize = 20;

/// How much of each of them.
const TAIL_LINE: usize = 500;

/// A step with all vertexes that belong to it.
pub(super) struct Vertex {
    pub(super) name: String,
    /// Its number in the log; it has one as soon as it begins.
    pub(super) number: Option<usize>,
    members: BTreeMap<String, Member>,
    /// When it ran. BuildKit starts a step again after it has looked for it in its cache.
    intervals: Vec<(SystemTime, SystemTime)>,
    began: Option<SystemTime>,
    streams: BTreeMap<i64, Stream>,
    tail: VecDeque<String>,
    end: Option<StepEnd>,
}

#[derive(Default)]
struct Member {
    is_running: bool,
    is_cached: bool,
    error: String,
}

/// What a step prints on one of its outputs, and when the line that is being assembled began.
struct Stream {
    buffer: LineBuffer,
    began: Option<SystemTime>,
}

/// How a step stands after a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Running,
    /// It ended at this moment, unless it starts again.
    Ended(SystemTime),
    Failed(String),
    Stopped,
}

impl Vertex {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            number: None,
            members: BTreeMap::new(),
            intervals: Vec::new(),
            began: None,
            streams: BTreeMap::new(),
            tail: VecDeque::new(),
            end: None,
        }
    }

    /// Takes a message about one of its vertexes. Whether it says that something began or ended; most are repeated.
    pub(super) fn update(&mut self, message: &status::Vertex) -> bool {
        let member = self.members.entry(message.digest.clone()).or_default();
        let Some(started) = message.started else { return false };
        self.began.get_or_insert(started);
        let was_running = std::mem::replace(&mut member.is_running, message.completed.is_none());
        member.is_cached = message.cached;
        member.error.clone_from(&message.error);
        let is_known = self.intervals.iter().any(|(known, _)| *known == started);
        match message.completed {
            Some(completed) if !is_known => self.intervals.push((started, completed)),
            Some(_) => return false,
            None => return !was_running && !is_known,
        }
        true
    }

    pub(super) fn state(&self) -> State {
        if let Some(member) = self.members.values().find(|member| !member.error.is_empty()) {
            // As buildx tells the two apart (BuildKit `progressui/printer.go`).
            let is_stopped = member.error.ends_with("context canceled");
            return if is_stopped { State::Stopped } else { State::Failed(member.error.clone()) };
        }
        match self.intervals.iter().map(|(_, end)| *end).max() {
            _ if self.members.values().any(|member| member.is_running) => State::Running,
            Some(end) => State::Ended(end),
            None => State::Waiting,
        }
    }

    pub(super) fn duration(&self) -> Duration {
        self.intervals.iter().filter_map(|(start, end)| end.duration_since(*start).ok()).sum()
    }

    /// Seconds from its begin on.
    pub(super) fn seconds_at(&self, time: Option<SystemTime>) -> f64 {
        let passed = time.zip(self.began).and_then(|(time, began)| time.duration_since(began).ok());
        passed.unwrap_or_default().as_secs_f64()
    }

    /// Takes what it printed and returns the lines that are whole, each with the moment of its begin. `buffer` makes
    /// the buffer of an output that is new.
    pub(super) fn print(
        &mut self,
        log: &status::Log,
        buffer: impl FnOnce() -> LineBuffer,
    ) -> Vec<(Option<SystemTime>, String)> {
        let stream =
            self.streams.entry(log.stream).or_insert_with(|| Stream { buffer: buffer(), began: None });
        let (mut lines, mut began) = (Vec::new(), stream.began.or(log.timestamp));
        stream.buffer.push(&log.data, &mut |line: &str| {
            lines.push((began, line.to_owned()));
            began = log.timestamp;
        });
        stream.began = if stream.buffer.is_empty() { None } else { began };
        lines
    }

    /// Lines that were never ended.
    pub(super) fn flush(&mut self) -> Vec<(Option<SystemTime>, String)> {
        let mut lines = Vec::new();
        for stream in self.streams.values_mut() {
            let began = stream.began.take();
            stream.buffer.flush(&mut |line: &str| lines.push((began, line.to_owned())));
        }
        lines
    }

    /// Keeps a redacted line for the case that it fails.
    pub(super) fn keep(&mut self, line: &str) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.chars().take(TAIL_LINE).collect());
    }

    /// Takes down how it ended; the last word counts.
    pub(super) fn close(&mut self, state: &State) -> StepEnd {
        let end = match state {
            State::Failed(_) => StepEnd::Failed,
            State::Ended(_) if self.members.values().all(|member| member.is_cached) => StepEnd::Cached,
            State::Ended(_) => StepEnd::Done,
            State::Waiting | State::Running | State::Stopped => StepEnd::Stopped,
        };
        *self.end.insert(end)
    }

    /// It began again.
    pub(super) fn reopen(&mut self) {
        self.end = None;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.end.is_some()
    }

    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    pub(super) fn step(&self) -> BuildStep {
        BuildStep {
            name: self.name.clone(),
            instruction: Instruction::parse(&self.name),
            end: self.end.unwrap_or(StepEnd::Stopped),
            duration: self.duration(),
        }
    }
}
