//! What it takes to get from the agent to our code: Node, the launcher, the binary.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use feedbuild_agent::{Job, Task};

use crate::bound::Bound;
use crate::measure::Series;

/// The bounds of the start, each contestant run this often.
pub(crate) fn bounds(task: &Task, runs: u32) -> Result<[Bound; 2]> {
    let job = Job::new("https://dev.azure.com/contoso/", "token")?;
    let folder = job.step(task)?.task_dir().to_owned();
    let binary = folder.join("bin/linux-x64/feedbuild");
    // The launcher's own way, to a stage that does nothing.
    let launch = format!("require('{}/launcher.js').launch('--version')", folder.display());

    let (mut node, mut launcher, mut native) = (Vec::new(), Vec::new(), Vec::new());
    // The first makes the binary executable, and all of it warm.
    run(Path::new("node"), &["-e", &launch])?;
    for _ in 0..runs {
        node.push(run(Path::new("node"), &["-e", "0"])?);
        launcher.push(run(Path::new("node"), &["-e", &launch])?);
        native.push(run(&binary, &["--version"])?);
    }
    let (node, launcher, native) = (Series::new(&node), Series::new(&launcher), Series::new(&native));
    let over = |of: fn(&Series) -> f64| of(&launcher) - of(&node) - of(&native);
    Ok([
        Bound {
            what: "launcher − (node -e 0 + binary)".to_owned(),
            measured: over(Series::median),
            at_best: Some(over(Series::shortest)),
            limit: 15.0,
            unit: "ms",
        },
        Bound {
            what: "binary --version".to_owned(),
            measured: native.median(),
            at_best: Some(native.shortest()),
            limit: 3.0,
            unit: "ms",
        },
    ])
}

fn run(program: &Path, arguments: &[&str]) -> Result<Duration> {
    let mut command = Command::new(program);
    // Some variables (`NODE_EXTRA_CA_CERTS`) make Node alone three times as slow.
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let started = Instant::now();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    let time = started.elapsed();
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(time)
}
