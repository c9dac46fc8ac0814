//! `cargo vsix`: builds the binary and writes the marketplace extension (`.vsix`).
//!
//! Rule: the same sources give the same bytes, so nothing of the machine, the time or the caller's settings gets in.

mod binary;
mod checksums;
mod dependency;
mod manifest;
mod notices;
mod package;
mod platform;
mod sbom;
mod stage;
mod toolchain;
mod verify;
mod version;
mod vsix;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::platform::{PLATFORMS, Platform};
use crate::stage::{Made, Stage};
use crate::toolchain::Toolchain;

/// Build the task's binary and write `<publisher>.<id>-<version>.vsix`.
///
/// Without `--all` and `--platform`, the package has the binary for this machine, built by its own toolchain.
#[derive(Parser)]
#[command(bin_name = "cargo vsix")]
struct Arguments {
    /// Put in a binary for every platform, as a release has them; `scripts/cross` brings the tools.
    #[arg(long)]
    all: bool,

    /// Put in a binary for this platform, as a release has it; may be given several times.
    #[arg(long = "platform", value_name = "NAME", value_parser = platform::named, conflicts_with = "all")]
    platforms: Vec<&'static Platform>,

    /// Package for another publisher than the manifest's, for an extension of one's own.
    #[arg(long, value_name = "ID")]
    publisher: Option<String>,

    /// The folder for the package, and for the folder `stage` that `tfx extension create` takes
    /// [default: target/vsix].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Also write the task's folder as plain files into this new or empty folder.
    #[arg(long, value_name = "DIR")]
    unpacked: Option<PathBuf>,

    /// Build nothing, but say whether this package is as it was packed, or which of its entries is not.
    #[arg(long, value_name = "FILE", exclusive = true)]
    verify: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let answer = match &arguments.verify {
        Some(file) => check(file),
        None => pack(&arguments).map(|package| package.display().to_string()),
    };
    match answer {
        Ok(answer) => {
            #[expect(clippy::print_stdout, reason = "that is what the command answers")]
            {
                println!("{answer}");
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
fn pack(arguments: &Arguments) -> Result<PathBuf> {
    let root = root();
    let out = arguments.out.clone().unwrap_or_else(|| root.join("target/vsix"));
    let changelog = fs::read_to_string(root.join("CHANGELOG.md")).context("cannot read `CHANGELOG.md`")?;
    version::check_grows(&changelog, version::CRATE)?;

    let all: Vec<&'static Platform> = PLATFORMS.iter().collect();
    let (toolchain, platforms) = match (arguments.all, &arguments.platforms[..]) {
        (true, _) => (Toolchain::cross(&all)?, all),
        (false, []) => (Toolchain::Own, vec![platform::host()?]),
        (false, some) => (Toolchain::cross(some)?, some.to_vec()),
    };
    let dependencies = dependency::linked(root, &platforms)?;
    let made = Made {
        notices: notices::render(&dependencies, &platforms),
        sbom: sbom::render(version::CRATE, &toolchain::rustc_version()?, &dependencies, &platforms),
        binaries: platforms
            .into_iter()
            .map(|platform| binary::compile(root, &toolchain, platform))
            .collect::<Result<_>>()?,
    };
    let stage = Stage::gather(root, arguments.publisher.as_deref(), made)?;
    let bytes = vsix::write(&package::parts(&stage)?)?;

    stage.write(&out.join("stage"))?;
    if let Some(folder) = &arguments.unpacked {
        stage.unpack_task(folder)?;
    }
    let file = out.join(stage.extension.file_name());
    fs::write(&file, bytes).with_context(|| format!("cannot write `{}`", file.display()))?;
    Ok(file)
}

/// Verifies a package; the answer is a sentence.
fn check(file: &Path) -> Result<String> {
    let package = fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    let files =
        verify::verify(&package).with_context(|| format!("`{}` is not as it was packed", file.display()))?;
    Ok(format!("`{}` is as it was packed: {files} files", file.display()))
}

/// The repository's root.
fn root() -> &'static Path {
    let mut ancestors = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    ancestors.nth(2).expect("the packer lies two folders below the root")
}
