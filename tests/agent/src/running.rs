//! A running stage of a step, and the ways in which the agent, or a disaster, ends it.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::lines::read_lines;
use crate::record::{Record, Recorder};
use crate::{Cancellation, Outcome, TaskResult, Variable, lock};

/// How long the agent waits after each signal of a cancellation, if nobody sets it otherwise.
const GRACE: [(Signal, Duration); 2] =
    [(Signal::INT, Duration::from_millis(7500)), (Signal::TERM, Duration::from_millis(2500))];

/// How long the agent reads on after the end of `node`.
const DRAIN: Duration = Duration::from_secs(5);

/// A stage of a step that was started. Dropping it kills `node`.
pub struct Running {
    child: Child,
    /// Names the process, and no other, also after its end.
    process: OwnedFd,
    recorder: Arc<Recorder>,
    readers: Vec<JoinHandle<()>>,
    started: Instant,
    cancellation: Option<Cancellation>,
}

impl Running {
    /// Takes over a process that was just started with both output streams piped.
    pub(crate) fn new(mut child: Child, recorder: Arc<Recorder>, started: Instant) -> Result<Self> {
        // A thread for each stream, as in the agent: their relative order is not kept.
        let readers = vec![read(&recorder, child.stdout.take()), read(&recorder, child.stderr.take())];
        let opened = pidfd_open(Pid::from_child(&child), PidfdFlags::empty());
        let process =
            opened.or_else(|error| child.kill().and_then(|()| child.wait()).and(Err(error.into())))?;
        Ok(Self { child, process, recorder, readers, started, cancellation: None })
    }

    /// The process id of `node`.
    #[must_use]
    pub fn launcher_pid(&self) -> u32 {
        self.child.id()
    }

    /// The process id of the child of `node`, if it has one now.
    #[must_use]
    pub fn native_pid(&self) -> Option<u32> {
        let node = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{node}/task/{node}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Waits for a line of the process's own output, unmasked and commands included, that contains `text`.
    pub fn wait_for_line(&self, text: &str, limit: Duration) -> Result<String> {
        self.recorder.wait_for_line(text, limit)
    }

    /// Sends a signal to `node` alone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        pidfd_send_signal(&self.process, signal)
            .with_context(|| format!("cannot send signal {}", signal.as_raw()))
    }

    /// Kills `node` as the kernel's out-of-memory killer would; its children get no signal.
    pub fn kill_launcher(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Cancels the step as the agent does: signals to `node` alone, each if the one before did not end it.
    pub fn cancel(mut self) -> Result<Outcome> {
        let began = Instant::now();
        let mut sent = Signal::KILL;
        for (signal, grace) in GRACE {
            self.signal(signal)?;
            if self.ended_within(Some(grace))? {
                sent = signal;
                break;
            }
        }
        if sent == Signal::KILL {
            self.kill_launcher()?;
            self.ended_within(None)?;
        }
        self.cancellation = Some(Cancellation { signal: sent, took: began.elapsed() });
        self.wait()
    }

    /// Waits for the end of the stage.
    pub fn wait(mut self) -> Result<Outcome> {
        self.ended_within(None)?;
        let output_left_open = !self.recorder.wait_for_end(DRAIN);
        if !output_left_open {
            for reader in std::mem::take(&mut self.readers) {
                reader.join().map_err(|_| anyhow!("a reader panicked"))?;
            }
        }
        let elapsed = self.started.elapsed();
        let exit = self.child.wait().context("cannot learn how node ended")?;
        if self.cancellation.is_some() {
            self.recorder.error("The operation was canceled.");
        } else if !exit.success() {
            self.recorder.error(&format!("The process 'node' ended with {exit}"));
        }

        let task_variables = lock(&self.recorder.task_variables).iter().cloned().collect();
        let record = lock(&self.recorder.record);
        // The agent's own verdict replaces what the task said; only a command that failed comes on top.
        let mut result = match self.cancellation {
            Some(_) => TaskResult::Canceled,
            None if !exit.success() => TaskResult::Failed,
            None => record.result.unwrap_or(TaskResult::Succeeded),
        };
        if record.command_failed {
            result = result.merge(TaskResult::Failed);
        }
        let mut state = lock(&self.recorder.job.state);
        if result >= TaskResult::Failed {
            state.variables.set(Variable::public("Agent.JobStatus", format!("{result:?}")));
        }
        let Record { log, raw, issues, counts, attachments, commands, .. } = &*record;
        Ok(Outcome {
            result,
            log: log.clone(),
            raw: raw.clone(),
            issues: issues.clone(),
            error_count: counts[0],
            warning_count: counts[1],
            output_variables: record.output_variables.iter().cloned().collect(),
            variables: record.variables.iter().cloned().collect(),
            task_variables,
            attachments: attachments.clone(),
            commands: commands.clone(),
            masks: state.masker.values().iter().cloned().collect(),
            exit,
            elapsed,
            cancellation: self.cancellation,
            output_left_open,
        })
    }

    /// Waits for the end of `node`, without reaping it; false if that takes longer than `limit`.
    fn ended_within(&self, limit: Option<Duration>) -> Result<bool> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left.map(Timespec::try_from).transpose().context("too long a wait")?;
            match poll(&mut [PollFd::new(&self.process, PollFlags::IN)], left.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                polled => return Ok(polled.context("cannot wait for node")? > 0),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail after `wait`, which is as it should be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads one of the process's streams on a thread of its own.
fn read(recorder: &Arc<Recorder>, stream: Option<impl Read + Send + 'static>) -> JoinHandle<()> {
    let recorder = Arc::clone(recorder);
    std::thread::spawn(move || {
        if let Some(stream) = stream {
            read_lines(stream, |line| recorder.line(line));
        }
        recorder.stream_ended();
    })
}
