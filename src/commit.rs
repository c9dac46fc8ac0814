//! When the commit was made that is checked out, for `sourceDateEpoch: commit`. Runs git.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;

use crate::agent::env::Env;
use crate::buildx::client::on_path;
use crate::cancel::Cancel;
use crate::error::hint_context;
use crate::lines::LineBuffer;
use crate::process::{Ended, Process};

/// The committer's time of `HEAD` in the repository that holds this folder, in seconds since 1970. A shallow clone has
/// it, too. `child` is git's environment.
pub async fn time(
    folder: &Path,
    env: &Env,
    child: BTreeMap<String, String>,
    cancel: &Cancel,
) -> anyhow::Result<u64> {
    let unknown = || {
        hint_context(
            format!("`sourceDateEpoch: commit`: git cannot tell the commit of `{}`", folder.display()),
            "check the sources out with git on the agent's `PATH`, or give the time in seconds, e.g. \
             `sourceDateEpoch: 1700000000`",
        )
    };
    let git = on_path(env, "git").context("there is no `git` on the `PATH`").with_context(unknown)?;
    let folder = folder.display().to_string();
    // The sources may belong to another user in a container job, and a configuration may want a signature checked.
    let args =
        ["-c", "safe.directory=*", "-C", &folder, "log", "-1", "--no-show-signature", "--format=%ct", "HEAD"];
    let process =
        Process { program: git, args: args.map(Into::into).into(), env: child, stdin: Stdio::null() };
    let (mut time, mut said) = (None, String::new());
    let ended = process.supervise(cancel, LineBuffer::whole, |line| match line.parse() {
        Ok(seconds) => time = Some(seconds),
        Err(_) => line.clone_into(&mut said),
    });
    match (ended.await?, time) {
        (Ended::Exited(0), Some(seconds)) => Ok(seconds),
        _ => Err(anyhow::anyhow!(said).context(unknown())),
    }
}
