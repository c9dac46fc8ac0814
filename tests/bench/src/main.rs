//! Measures the packaged task: time against what it replaces, memory, and size.
//!
//! Rule: what is compared is run in turns, so that another load of the machine weighs on all of it alike.

mod bound;
mod contest;
mod guard;
mod measure;
mod package;
mod render;
mod search;
mod start;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use feedbuild_agent::Task;
use feedbuild_suites::Store;

use crate::bound::Bound;
use crate::contest::Contest;

/// Measure a packaged task; `scripts/bench` lays the engines.
#[derive(Parser)]
struct Arguments {
    /// The extension that holds the task.
    #[arg(long, value_name = "FILE")]
    vsix: PathBuf,
    /// How often each contestant is run.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Exit with status 1 if a bound is missed.
    #[arg(long)]
    check: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let task = Task::from_vsix(&arguments.vsix)?;
    let mut bounds = package::bounds(&arguments.vsix)?;
    bounds.push(render::bound()?);
    let (speeds, bound) = search::speeds()?;
    print(&speeds);
    bounds.push(bound);
    bounds.extend(start::bounds(&task, arguments.runs)?);
    for store in [Store::Containerd, Store::Classic] {
        let contest = Contest::new(store, &task)?;
        let times = contest.run(arguments.runs)?;
        print(&format!("{store:?} store, {} runs each\n{}", arguments.runs, table::times(&times)));
        bounds.extend(bound::speed(store, &times));
        bounds.push(bound::memory(store, contest.peak_memory()?));
        bounds.extend(guard::bounds(store, &task)?);
    }
    print(&format!("Bounds\n{}", table::bounds(&bounds)));
    let met = bounds.iter().all(Bound::is_met);
    Ok(if met || !arguments.check { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the numbers are what this program is for")]
fn print(text: &str) {
    println!("{text}");
}
