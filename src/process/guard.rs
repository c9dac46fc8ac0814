//! The guard of a child where the kernel has no parent-death signal (macOS): a process of ours between us and the
//! program, in the program's group, which ends the group once we are gone.
//!
//! Rule: the guard never ends before the program.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Signal, getpgrp, getpid, kill_process, kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

use super::platform::is_parent;

/// How often the guard looks: macOS tells nobody of the end of a parent but by unsafe calls (`kevent`).
const INTERVAL: Duration = Duration::from_millis(500);

/// Waits until our parent is no longer the process with this id: it has ended.
pub(crate) async fn orphaned(parent: &str) {
    while is_parent(parent) {
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Runs the program to its end and ends as it did, unless the parent ends before.
pub(super) fn run(parent: &str, program: &Path, args: &[OsString]) -> std::io::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        // The program hears these too and decides for both of us. Whoever listens is not ended by them, and a
        // program starts with none of its starter's ears.
        let _ears = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        );
        let mut child = tokio::process::Command::new(program).args(args).spawn()?;
        let status = tokio::select! {
            status = child.wait() => status?,
            () = orphaned(parent) => {
                kill_process_group(getpgrp(), Signal::KILL)?;
                child.wait().await?
            }
        };
        let Some(code) = status.code() else {
            kill_process(getpid(), Signal::KILL)?;
            return Ok(ExitCode::FAILURE);
        };
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
    })
}
