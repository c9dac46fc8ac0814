//! All steps of a build: turns messages into lines that a person can follow, in the shape of buildx's plain progress.
//!
//! Rule: text is redacted before anything else is done with it, and a line of a step is told whole, with its number.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::log::{BuildLog, BuildStep, CheckWarning, Failure, Location, StepEnd};
use super::name::Instruction;
use super::status::{self, Status};
use super::vertex::{State, Vertex};
use super::{Tell, Told};
use crate::console::Console;
use crate::lines::LineBuffer;

/// A step that ended may start again at once: BuildKit first looks for it in its cache. It is told as done after this
/// time, or when another step begins.
const SETTLED: Duration = Duration::from_millis(10);

/// How often the progress of a download is told.
const TRANSFER_PAUSE: Duration = Duration::from_secs(5);

/// The steps of a build.
pub(super) struct Trace {
    console: Arc<Console>,
    vertexes: Vec<Vertex>,
    /// Where the vertex of a digest, or the group of an id, is.
    places: HashMap<String, usize>,
    /// Those that began, in that order.
    begun: Vec<usize>,
    /// Those that ended and may start again.
    ended: Vec<usize>,
    /// When a transfer of a step was told last; `None` when it is complete.
    transfers: BTreeMap<(usize, String), Option<SystemTime>>,
    warnings: Vec<CheckWarning>,
    failed: Option<usize>,
    percent: u8,
    has_secret: bool,
}

impl Trace {
    pub(super) fn new(console: Arc<Console>) -> Self {
        Self {
            console,
            vertexes: Vec::new(),
            places: HashMap::new(),
            begun: Vec::new(),
            ended: Vec::new(),
            transfers: BTreeMap::new(),
            warnings: Vec::new(),
            failed: None,
            percent: 0,
            has_secret: false,
        }
    }

    /// `text` without our secrets; it is taken down that there was one.
    pub(super) fn redact(&mut self, text: &str) -> String {
        let clean = self.console.redact(text);
        self.has_secret |= clean != text;
        clean
    }

    pub(super) fn update(&mut self, status: &Status, tell: Tell<'_>) {
        self.settle(status.latest(), tell);
        for message in &status.vertexes {
            self.vertex(message, tell);
        }
        for transfer in &status.statuses {
            self.transfer(transfer, tell);
        }
        for log in &status.logs {
            self.log(log, tell);
        }
        for warning in &status.warnings {
            self.warning(warning, tell);
        }
    }

    /// Tells the end of all steps that ended.
    pub(super) fn settle_all(&mut self, tell: Tell<'_>) {
        for index in std::mem::take(&mut self.ended) {
            self.close(index, tell);
        }
    }

    /// Tells what never came to an end, and what is known of the build.
    pub(super) fn end(mut self, tell: Tell<'_>) -> BuildLog {
        self.settle_all(tell);
        for index in self.begun.clone() {
            self.flush(index, tell);
        }
        let failure = self.failed.map(|index| Failure {
            step: Some(self.vertexes[index].name.clone()),
            last_lines: self.vertexes[index].tail(),
            ..Failure::default()
        });
        let steps: Vec<BuildStep> = self.begun.iter().map(|&index| self.vertexes[index].step()).collect();
        BuildLog { steps, warnings: self.warnings, failure, has_secret: self.has_secret }
    }

    fn vertex(&mut self, message: &status::Vertex, tell: Tell<'_>) {
        let index = self.place(message);
        let is_new = self.vertexes[index].update(message);
        if message.started.is_some() && self.vertexes[index].number.is_none() {
            self.settle_all(tell);
            self.begin(index, tell);
        }
        if !is_new {
            return;
        }
        self.ended.retain(|&ended| ended != index);
        self.vertexes[index].reopen();
        match self.vertexes[index].state() {
            State::Waiting | State::Running => {}
            State::Ended(_) => self.ended.push(index),
            State::Failed(_) | State::Stopped => self.close(index, tell),
        }
    }

    /// The place of the vertex, or of its group.
    fn place(&mut self, message: &status::Vertex) -> usize {
        let (key, name) = match &message.group {
            Some(group) => (&group.id, if group.name.is_empty() { &message.name } else { &group.name }),
            None => (&message.digest, &message.name),
        };
        let index = self.place_of(key, name);
        self.places.insert(message.digest.clone(), index);
        index
    }

    fn place_of(&mut self, key: &str, name: &str) -> usize {
        if let Some(&index) = self.places.get(key) {
            return index;
        }
        let name = self.redact(name).replace(['\n', '\r'], " ");
        self.vertexes.push(Vertex::new(name));
        self.places.insert(key.to_owned(), self.vertexes.len() - 1);
        self.vertexes.len() - 1
    }

    /// Gives the step its number and tells its name.
    fn begin(&mut self, index: usize, tell: Tell<'_>) -> usize {
        if let Some(number) = self.vertexes[index].number {
            return number;
        }
        self.begun.push(index);
        let number = self.begun.len();
        self.vertexes[index].number = Some(number);
        tell(Told::Line(&format!("#{number} {}", self.vertexes[index].name)));
        number
    }

    /// Tells the end of steps that will not start again by now.
    fn settle(&mut self, now: Option<SystemTime>, tell: Tell<'_>) {
        let is_settled = |trace: &Self, index: usize| match trace.vertexes[index].state() {
            State::Ended(at) => {
                now.and_then(|now| now.duration_since(at).ok()).is_some_and(|passed| passed >= SETTLED)
            }
            _ => true,
        };
        let settled: Vec<usize> =
            self.ended.iter().copied().filter(|&index| is_settled(self, index)).collect();
        for index in settled {
            self.close(index, tell);
        }
    }

    /// Tells how a step ended.
    fn close(&mut self, index: usize, tell: Tell<'_>) {
        self.flush(index, tell);
        self.ended.retain(|&ended| ended != index);
        let state = self.vertexes[index].state();
        let end = match (self.vertexes[index].close(&state), state) {
            (StepEnd::Done, _) => format!("DONE {:.1}s", self.vertexes[index].duration().as_secs_f64()),
            (StepEnd::Cached, _) => "CACHED".to_owned(),
            (StepEnd::Failed, State::Failed(error)) => {
                self.failed.get_or_insert(index);
                format!("ERROR: {}", self.redact(&error))
            }
            _ => "CANCELED".to_owned(),
        };
        let number = self.begin(index, tell);
        end.lines().for_each(|line| tell(Told::Line(&format!("#{number} {line}"))));
        self.count(tell);
    }

    /// Tells how many of the instructions are done.
    fn count(&mut self, tell: Tell<'_>) {
        let instructions =
            || self.vertexes.iter().filter(|vertex| Instruction::parse(&vertex.name).is_some());
        let (done, all) =
            (instructions().filter(|vertex| vertex.is_closed()).count(), instructions().count());
        let percent = u8::try_from(done * 100 / all.max(1)).unwrap_or(100);
        if percent > self.percent {
            self.percent = percent;
            tell(Told::Percent { percent, done, all });
        }
    }

    fn transfer(&mut self, transfer: &status::Transfer, tell: Tell<'_>) {
        let Some(&index) = self.places.get(&transfer.vertex) else { return };
        let is_complete = transfer.completed.is_some();
        let told = self.transfers.entry((index, transfer.id.clone())).or_insert(transfer.started);
        let Some(last) = *told else { return };
        let passed = transfer.timestamp.and_then(|now| now.duration_since(last).ok()).unwrap_or_default();
        if !is_complete && passed < TRANSFER_PAUSE {
            return;
        }
        *told = transfer.timestamp.filter(|_| !is_complete);
        let line = self.redact(&transfer.line());
        let number = self.begin(index, tell);
        tell(Told::Line(&format!("#{number} {}", line.replace(['\n', '\r'], " "))));
    }

    fn log(&mut self, log: &status::Log, tell: Tell<'_>) {
        let index = self.place_of(&log.vertex, &log.vertex);
        let console = Arc::clone(&self.console);
        let buffer = || LineBuffer::new(move |bytes| console.redactor().safe_cut(bytes));
        let lines = self.vertexes[index].print(log, buffer);
        self.print(index, lines, tell);
    }

    /// Tells lines that were never ended.
    fn flush(&mut self, index: usize, tell: Tell<'_>) {
        let lines = self.vertexes[index].flush();
        self.print(index, lines, tell);
    }

    fn print(&mut self, index: usize, lines: Vec<(Option<SystemTime>, String)>, tell: Tell<'_>) {
        for (began, line) in lines {
            let line = self.redact(&line);
            let number = self.begin(index, tell);
            let seconds = self.vertexes[index].seconds_at(began);
            self.vertexes[index].keep(&line);
            tell(Told::Line(&format!("#{number} {seconds:.3} {line}")));
        }
    }

    fn warning(&mut self, warning: &status::Warning, tell: Tell<'_>) {
        let short = self.redact(&warning.short);
        let (rule, message) = split_rule(&short);
        let location = warning.ranges.iter().find(|range| range.start.line > 0).map(|range| Location {
            file: self.redact(&warning.source.filename),
            first: range.start.line,
            last: range.end.line.max(range.start.line),
        });
        let finding = CheckWarning {
            rule,
            message,
            detail: warning.detail.iter().map(|detail| self.redact(detail)).collect(),
            url: Some(self.redact(&warning.url)).filter(|url| !url.is_empty()),
            location,
        };
        if self.warnings.contains(&finding) {
            return;
        }
        self.warnings.push(finding);
        let number = match self.places.get(&warning.vertex) {
            Some(&index) => self.begin(index, tell),
            None => 0,
        };
        tell(Told::Line(&format!("#{number} WARN: {}", short.replace(['\n', '\r'], " "))));
    }
}

/// `FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 4)` in the check's name and what it says. The line
/// is known from elsewhere.
fn split_rule(short: &str) -> (Option<String>, String) {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (rule, message) = match short.split_once(": ") {
        Some((name, rest)) if is_name(name) => (Some(name.to_owned()), rest),
        _ => (None, short),
    };
    let bare = message.strip_suffix(')').and_then(|text| text.rsplit_once(" (line "));
    let message = bare.filter(|(_, line)| line.parse::<u32>().is_ok()).map_or(message, |(text, _)| text);
    (rule, message.to_owned())
}
