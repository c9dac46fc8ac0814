//! `cargo vsix`: builds the binary and writes the marketplace extension (`.vsix`).
//!
//! Rule: the same sources give the same bytes, so nothing of the machine, the time or the caller's settings gets in.

mod binary;
mod manifest;
mod package;
mod platform;
mod stage;
mod version;
mod vsix;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::platform::Platform;
use crate::stage::Stage;

/// Build the task's binary and write `<publisher>.<id>-<version>.vsix`.
#[derive(Parser)]
#[command(bin_name = "cargo vsix")]
struct Arguments {
    /// A platform whose binary goes in; may be given several times.
    #[arg(long = "platform", value_name = "NAME", default_value = "linux-x64", value_parser = platform::named)]
    platforms: Vec<&'static Platform>,

    /// The folder for the package, and for the folder `stage` that `tfx extension create` takes
    /// [default: target/vsix].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Also write the task's folder as plain files into this new or empty folder.
    #[arg(long, value_name = "DIR")]
    unpacked: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(package) => {
            #[expect(clippy::print_stdout, reason = "the package's path is what the command answers")]
            {
                println!("{}", package.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a command line tool says on stderr why it failed")]
            {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Compiles, gathers, renders and writes; the answer is the package's path.
fn run(arguments: &Arguments) -> Result<PathBuf> {
    let root = root();
    let out = arguments.out.clone().unwrap_or_else(|| root.join("target/vsix"));

    let binaries = binary::compile_all(root, &arguments.platforms)?;
    let stage = Stage::gather(root, binaries)?;
    version::check(&stage)?;
    let bytes = vsix::write(&package::parts(&stage)?)?;

    stage.write(&out.join("stage"))?;
    if let Some(folder) = &arguments.unpacked {
        stage.unpack_task(folder)?;
    }
    let file = out.join(stage.extension.file_name());
    fs::write(&file, bytes).with_context(|| format!("cannot write `{}`", file.display()))?;
    Ok(file)
}

/// The repository's root.
fn root() -> &'static Path {
    let mut ancestors = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    ancestors.nth(2).expect("the packer lies two folders below the root")
}
