//! Children on Unix: each leads a process group, which is signalled as a whole.

use rustix::process::{Pid, Resource, Rlimit, Signal, getpid, getppid, kill_process_group, setrlimit};
use tokio::process::{Child, Command};

use super::Process;

/// The child starts as a copy of ourselves that sees to it that the program ends with us, see [`exec`]: between fork
/// and exec only unsafe code could do that.
pub(super) fn command(process: &Process) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("exec")
        .arg(getpid().as_raw_nonzero().to_string())
        .arg(&process.program)
        .args(&process.args)
        .process_group(0);
    Ok(command)
}

/// What that copy does: it becomes the program, for which the kernel keeps watch over the parent.
#[cfg(target_os = "linux")]
pub(super) fn exec(
    parent: &str,
    program: &std::path::Path,
    args: &[std::ffi::OsString],
) -> std::io::Result<std::process::ExitCode> {
    use std::os::unix::process::CommandExt as _;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the request above.
    if !is_parent(parent) {
        return Err(std::io::Error::other("the parent process is gone"));
    }
    Err(std::process::Command::new(program).args(args).exec())
}

/// What that copy does: it starts the program and keeps watch over the parent itself.
#[cfg(not(target_os = "linux"))]
pub(super) use super::guard::run as exec;

/// Whether the process with this id is our parent.
pub(super) fn is_parent(process: &str) -> bool {
    getppid().map(|pid| pid.as_raw_nonzero().to_string()).as_deref() == Some(process)
}

/// The size to which core dumps are limited. Linux pipes one to a program (`core_pattern`) at any limit but 1, which is
/// too small for one in a file as well (`fs/coredump.c`).
const CORE: u64 = if cfg!(target_os = "linux") { 1 } else { 0 };

// All are second lines of defence; a kernel that refuses them leaves us no worse than without. What we start inherits
// the first two.
pub(super) fn harden() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(CORE), maximum: Some(CORE) });
    #[cfg(target_os = "linux")]
    {
        // Which kinds of memory a dump has: none.
        let _ = std::fs::write("/proc/self/coredump_filter", "0");
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
    }
}

/// The number of the signal that killed a process.
pub(super) fn signal(status: std::process::ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

/// A child and what it starts, as far as that stays in its process group.
pub(super) struct Group(Option<Pid>);

impl Group {
    pub(super) fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    // A group that is gone needs no signal, so errors are of no interest.
    pub(super) fn interrupt(&self) {
        let _ = self.0.map(|group| kill_process_group(group, Signal::INT));
    }

    pub(super) fn kill(&mut self, _: &mut Child) {
        let _ = self.0.map(|group| kill_process_group(group, Signal::KILL));
    }
}
