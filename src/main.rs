//! The `feedbuild` command.

use std::ffi::{OsStr, OsString};
use std::io::{Write as _, stdin};
use std::process::ExitCode;

use anyhow::Context as _;
use feedbuild::agent::env::Env;
use feedbuild::agent::logging::TaskResult;
use feedbuild::cancel::Cancel;
use feedbuild::registry::helper;
use feedbuild::{console, main_stage, post_job, process};

const USAGE: &str = "usage: feedbuild run | post-job | --version";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    match command(&name, &arguments) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "feedbuild: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(name: &OsStr, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let first = arguments.first().and_then(|word| word.to_str());
    if is_helper(name) {
        let logins = std::env::var(helper::LOGINS_VARIABLE).context("not started by a step")?;
        return match helper::answer(first.unwrap_or_default(), stdin(), &logins) {
            Ok(answer) => Ok(print(&answer)),
            // docker reads the reason from stdout.
            Err(error) => {
                print(&format!("{error:#}"));
                Ok(ExitCode::FAILURE)
            }
        };
    }
    match first {
        Some("exec") => process::exec(&arguments[1..]),
        #[cfg(unix)]
        Some("guard") => process::guard(&arguments[1..]),
        Some("run") => run(),
        Some("post-job") => {
            process::harden();
            post_job(&Env::from_process());
            Ok(ExitCode::SUCCESS)
        }
        Some("--version" | "-V") => Ok(print(concat!("feedbuild ", env!("CARGO_PKG_VERSION")))),
        _ => anyhow::bail!("{USAGE}"),
    }
}

/// Docker starts its credential helpers by the name `docker-credential-…`.
fn is_helper(name: &OsStr) -> bool {
    let file = std::path::Path::new(name).file_name().unwrap_or_default();
    file.to_string_lossy().starts_with("docker-credential-")
}

fn print(text: &str) -> ExitCode {
    console::print(text);
    ExitCode::SUCCESS
}

/// In a pipeline the exit code is 0 once the result is said: a handler that a signal kills can count as a success,
/// and one that exits otherwise fails a second time.
fn run() -> anyhow::Result<ExitCode> {
    process::harden();
    let env = Env::from_process();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(async {
        let cancel = Cancel::on_signals().context("cannot listen for signals")?;
        anyhow::Ok(main_stage(&env, &cancel).await)
    })?;
    let in_pipeline = env.get("TF_BUILD").is_some();
    Ok(if in_pipeline || result == TaskResult::Succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
