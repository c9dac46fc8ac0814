//! The one place that spawns. A child runs in a group of its own, its output is read as lines, its standard output
//! on demand as bytes, a cancel reaches the whole group once, and the child dies when we die.

pub mod environment;
#[cfg(target_os = "linux")]
pub mod forsaken;
#[cfg(unix)]
mod guard;
#[cfg_attr(unix, path = "process/unix.rs")]
#[cfg_attr(windows, path = "process/windows.rs")]
mod platform;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::PipeReader;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::oneshot;

use crate::cancel::{Cancel, Cancelled};
use crate::lines::LineBuffer;
#[cfg(target_os = "macos")]
pub(crate) use guard::orphaned;
use platform::Group;
#[cfg(windows)]
pub(crate) use platform::leave_to_owner;

/// How long a child may take after the first signal. With it, cleaning up and reporting stay under 5 s; the agent
/// sends its second signal after 7.5 s.
const GRACE: Duration = Duration::from_millis(3500);

/// How long output may still come after the exit, from grandchildren that hold the pipe.
const DRAIN: Duration = Duration::from_secs(1);

const UNREADABLE: &str = "cannot read the child's output";

/// What to run.
#[derive(Debug)]
pub struct Process {
    /// The executable's path.
    pub program: PathBuf,
    /// Its arguments; none holds a secret.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// Its standard input; `Stdio::null()` unless a secret is fed there.
    pub stdin: Stdio,
}

/// How a child ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// A signal that we did not send killed it; its number, where there are such.
    Killed(Option<i32>),
}

impl Process {
    /// Runs the process to its end and hands each line of both streams to `on_line`, in the order of arrival.
    ///
    /// On a cancel the group gets SIGINT once (BuildKit cancels the build at the first and gives up cleaning at
    /// the second: `appcontext.go`), SIGKILL after a grace, and the result is [`Cancelled`].
    pub async fn supervise(
        self,
        cancel: &Cancel,
        lines: impl Fn() -> LineBuffer,
        on_line: impl FnMut(&str),
    ) -> anyhow::Result<Ended> {
        self.run(Stdio::piped(), cancel, lines, on_line).await
    }

    /// Like [`Process::supervise`], but only the standard error is lines: the standard output is bytes, which `read` gets
    /// on a thread of its own. The child waits while it does not read, and a reader that ends before its time ends it.
    pub async fn supervise_reading<T: Send + 'static>(
        self,
        cancel: &Cancel,
        lines: impl Fn() -> LineBuffer,
        on_line: impl FnMut(&str),
        read: impl FnOnce(PipeReader) -> T + Send + 'static,
    ) -> anyhow::Result<(Ended, T)> {
        let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
        let (answer, answered) = oneshot::channel();
        // Nobody waits for the answer after a cancel.
        let reading = move || drop(answer.send(read(reader)));
        std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn(reading)
            .context("cannot start a thread")?;
        let ended = self.run(writer.into(), cancel, lines, on_line).await?;
        let answered =
            async { answered.await.context("the thread that reads the child's output ended early") };
        Ok((ended, cancel.unless(answered).await?))
    }

    /// Starts the process for somebody who speaks with it over its pipes; its standard input has to be one. It is killed
    /// when the child is dropped.
    pub fn converse(self) -> anyhow::Result<(Child, ChildStdin, ChildStdout, ChildStderr)> {
        let name = self.program.display().to_string();
        let mut child = self.spawn(Stdio::piped()).with_context(|| format!("cannot start `{name}`"))?;
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok((child, stdin, stdout, stderr)),
            _ => anyhow::bail!("`{name}` has no pipes"),
        }
    }

    async fn run(
        self,
        stdout: Stdio,
        cancel: &Cancel,
        lines: impl Fn() -> LineBuffer,
        mut on_line: impl FnMut(&str),
    ) -> anyhow::Result<Ended> {
        let name = self.program.display().to_string();
        let mut child = self.spawn(stdout).with_context(|| format!("cannot start `{name}`"))?;
        let mut group = Group::of(&child);
        // None if somebody else reads it.
        let mut out = Stream::new(child.stdout.take(), lines());
        let mut err = Stream::new(child.stderr.take(), lines());

        let mut cancelled = false;
        let mut deadline = None;
        let mut status = None;
        while status.is_none() || !(out.ended && err.ended) {
            tokio::select! {
                read = out.read(), if !out.ended => out.take(read.context(UNREADABLE)?, &mut on_line),
                read = err.read(), if !err.ended => err.take(read.context(UNREADABLE)?, &mut on_line),
                exit = child.wait(), if status.is_none() => {
                    status = Some(exit.with_context(|| format!("cannot wait for `{name}`"))?);
                    deadline = Some(tokio::time::Instant::now() + DRAIN);
                }
                () = cancel.requested(), if !cancelled => {
                    cancelled = true;
                    group.interrupt();
                    deadline.get_or_insert(tokio::time::Instant::now() + GRACE);
                }
                () = until(deadline), if deadline.is_some() => {
                    deadline = None;
                    group.kill(&mut child);
                    (out.ended, err.ended) = (true, true);
                }
            }
        }
        out.flush(&mut on_line);
        err.flush(&mut on_line);
        if cancelled {
            return Err(Cancelled.into());
        }
        let killed = Ended::Killed(status.and_then(platform::signal));
        Ok(status.and_then(|status| status.code()).map_or(killed, Ended::Exited))
    }

    fn spawn(self, stdout: Stdio) -> std::io::Result<Child> {
        let mut command = platform::command(&self)?;
        command
            .env_clear()
            .envs(&self.env)
            .stdin(self.stdin)
            .stdout(stdout)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

async fn until(deadline: Option<tokio::time::Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline).await;
    }
}

/// One output stream of a child, if it is ours to read, and the line that is being assembled from it.
struct Stream<R> {
    pipe: Option<R>,
    chunk: Box<[u8]>,
    buffer: LineBuffer,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Stream<R> {
    fn new(pipe: Option<R>, buffer: LineBuffer) -> Self {
        let ended = pipe.is_none();
        Self { pipe, chunk: vec![0; 16 * 1024].into(), buffer, ended }
    }

    /// Reads once, into the chunk. Cancel-safe, since a read that is dropped has read nothing.
    async fn read(&mut self) -> std::io::Result<usize> {
        match &mut self.pipe {
            Some(pipe) => pipe.read(&mut self.chunk).await,
            None => Ok(0),
        }
    }

    fn take(&mut self, read: usize, on_line: &mut impl FnMut(&str)) {
        self.ended = read == 0;
        self.buffer.push(&self.chunk[..read], on_line);
    }

    fn flush(&mut self, on_line: &mut impl FnMut(&str)) {
        self.buffer.flush(on_line);
    }
}

/// Prepares this process before it sees a secret: no core dump of it or of what it starts will hold one, and we stop like
/// on SIGTERM when the launcher is killed.
pub fn harden() {
    platform::harden();
}

/// Runs the program that `feedbuild exec PARENT PROGRAM ARGS…` names, so that it ends with the parent. On Linux this
/// process becomes the program.
pub fn exec(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    start(arguments, platform::exec)
}

/// Does on every Unix what [`exec`] does where the kernel has no parent-death signal: this process stays and watches.
#[cfg(unix)]
pub fn guard(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    start(arguments, guard::run)
}

fn start(
    arguments: &[OsString],
    run: fn(&str, &Path, &[OsString]) -> std::io::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let [parent, program, args @ ..] = arguments else {
        anyhow::bail!("usage: feedbuild exec PARENT PROGRAM [ARGUMENT…]");
    };
    run(&parent.to_string_lossy(), program.as_ref(), args)
        .with_context(|| format!("cannot start `{}`", program.display()))
}
