//! Children on Windows: each is in a job object of its own, inside the one that ends with us.
//!
//! Rule: a child shares our console, for the agent cancels by console events, which reach every process on it.

use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use anyhow::Context as _;
use tokio::process::{Child, Command};
use win32job::{ExtendedLimitInfo, Job};

use super::Process;

pub(super) fn command(process: &Process) -> std::io::Result<Command> {
    let mut command = Command::new(&process.program);
    command.args(&process.args);
    Ok(command)
}

/// Nobody asks for it: the job object does what it is for.
pub(super) fn exec(_: &str, _: &Path, _: &[OsString]) -> std::io::Result<ExitCode> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Puts ourselves, and so all that we start, into a job object whose last handle goes with us: however we end, the
/// system ends the rest. A system that refuses leaves us no worse than without.
pub(super) fn harden() {
    let _ = ending_job().and_then(|job| job.assign_current_process().map(|()| std::mem::forget(job)));
}

/// A job object whose processes end when its last handle is closed.
fn ending_job() -> Result<Job, win32job::JobError> {
    Job::create_with_limit_info(ExtendedLimitInfo::new().limit_kill_on_job_close())
}

/// There are none.
pub(super) fn signal(_: std::process::ExitStatus) -> Option<i32> {
    None
}

/// A child and what it starts, from a moment after its start on.
pub(super) struct Group(Option<Job>);

impl Group {
    pub(super) fn of(child: &Child) -> Self {
        let job = ending_job().ok().filter(|job| {
            child.raw_handle().is_some_and(|handle| job.assign_process(handle.addr().cast_signed()).is_ok())
        });
        Self(job)
    }

    #[expect(clippy::unused_self, reason = "as on the other systems")]
    pub(super) fn interrupt(&self) {
        // The console has told the child when it told us.
    }

    pub(super) fn kill(&mut self, child: &mut Child) {
        self.0 = None;
        // What has ended needs no end.
        let _ = child.start_kill();
    }
}

/// Leaves a folder to its owner and what is in it to the same, whatever the folder above lets others do: the agent's
/// work folder is readable for all users by default. The access control list is set by the system's own tool, for
/// want of a safe interface; `S-1-3-4` is the owner's SID in every language.
pub(crate) fn leave_to_owner(folder: &Path, system_root: &Path) -> anyhow::Result<()> {
    let tool = system_root.join("System32").join("icacls.exe");
    let output = std::process::Command::new(&tool)
        .arg(folder)
        .args(["/inheritance:r", "/grant:r", "*S-1-3-4:(OI)(CI)F", "/Q"])
        .env_clear()
        .env("SystemRoot", system_root)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", tool.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "`{}` failed: {}",
        tool.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
