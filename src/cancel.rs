//! The one place that hears signals. The agent cancels a step by SIGINT, then SIGTERM 7.5 s later
//! (agent `ProcessInvoker.cs`); the launcher hands both on.

use std::fmt;
use std::future::Future;

use tokio::sync::watch;

/// A request to stop, which may come at any time. Clones hear the same request.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Receiver<bool>);

/// The error of whatever was stopped by a [`Cancel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the run was cancelled")
    }
}

impl std::error::Error for Cancelled {}

impl Cancel {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on, on macOS also for the end of the launcher, on Windows for the
    /// console's events: Ctrl+C, Ctrl+Break, the end of the console and of the system.
    pub fn on_signals() -> std::io::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
                let (mut signals, sender) = (signal(kind)?, sender.clone());
                tokio::spawn(async move {
                    signals.recv().await;
                    sender.send_replace(true);
                });
            }
        }
        // On Linux the kernel sends a signal then, see [`crate::process::harden`].
        #[cfg(target_os = "macos")]
        if let Some(launcher) = rustix::process::getppid() {
            let sender = sender.clone();
            tokio::spawn(async move {
                crate::process::orphaned(&launcher.as_raw_nonzero().to_string()).await;
                sender.send_replace(true);
            });
        }
        #[cfg(windows)]
        {
            use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
            let (mut interrupt, mut quit) = (ctrl_c()?, ctrl_break()?);
            let (mut close, mut shutdown) = (ctrl_close()?, ctrl_shutdown()?);
            tokio::spawn(async move {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = quit.recv() => {}
                    _ = close.recv() => {}
                    _ = shutdown.recv() => {}
                }
                sender.send_replace(true);
            });
        }
        Ok(Self(receiver))
    }

    /// A request that never comes.
    #[must_use]
    pub fn never() -> Self {
        Self(watch::channel(false).1)
    }

    /// Whether somebody has asked to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until somebody asks to stop.
    pub async fn requested(&self) {
        // The sender lives in the signal tasks, as long as the runtime.
        if self.0.clone().wait_for(|&requested| requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// `work`'s result, or [`Cancelled`] as soon as somebody asks to stop; `work` is dropped then.
    pub async fn unless<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        tokio::select! {
            biased;
            () = self.requested() => Err(Cancelled.into()),
            result = work => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_dropped_when_a_request_comes() {
        let (sender, receiver) = watch::channel(false);
        let cancel = Cancel(receiver);
        sender.send_replace(true);
        let result = cancel.unless(std::future::pending::<anyhow::Result<()>>()).await;
        assert!(result.expect_err("it was cancelled").is::<Cancelled>());
    }
}
