//! What builds the binaries: the machine's own toolchain for itself, and one for all platforms, made of rustc, the sources
//! of its standard library, zig as C compiler and linker, and `cargo-zigbuild`, which tells rustc how to call zig.
//!
//! Edge: runs the tools to see whether they are there. Rule: all that is missing is named at once, before a build.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::platform::{Libc, Platform};

/// The oldest macOS that runs the binaries: the first with arm64.
const MACOS: &str = "11.0";

/// The names that macOS's frameworks export, for zig brings none of Apple's files: those that `core-foundation-sys` and
/// `security-framework-sys` declare. One that is not there would show on a Mac alone. The folder is named from the
/// repository's root, where cargo links: with another path in the flags, every checkout would compile all crates anew.
const FRAMEWORKS: &str = "scripts/packer/frameworks";

/// What builds a binary.
#[derive(Debug)]
pub(crate) enum Toolchain {
    /// The machine's own, for the machine itself. On Linux the binary needs a C library as new as the machine's.
    Own,
    /// The one for all platforms.
    Cross {
        /// The sources of rustc's standard library.
        library: PathBuf,
    },
}

impl Toolchain {
    /// The toolchain for all platforms, if it can build for these.
    pub(crate) fn cross(platforms: &[&'static Platform]) -> Result<Self> {
        let library = Path::new(&rustc(&["--print", "sysroot"])?).join("lib/rustlib/src/rust/library");
        let mut missing = Vec::new();
        let mut installs = Vec::new();
        if !runs("cargo-zigbuild", &["--version"]) {
            missing.push("`cargo-zigbuild`");
            installs.push("`pip install cargo-zigbuild`");
        }
        if !has_zig() {
            missing.push("`zig`");
            installs.push("`pip install ziglang`");
        }
        if !library.is_dir() {
            missing.push("sources of Rust's standard library");
            installs.push("`rustup component add rust-src`");
        }
        if !missing.is_empty() {
            let names: Vec<&str> = platforms.iter().map(|platform| platform.name).collect();
            bail!(
                "cannot build for {}: this machine has no {}\n\nhint: {}; `scripts/cross` brings all of it",
                names.join(", "),
                missing.join(", no "),
                installs.join(", ")
            );
        }
        Ok(Self::Cross { library })
    }

    /// The command that builds the binary for `platform` from the sources at `root`.
    pub(crate) fn command(&self, root: &Path, platform: &Platform) -> Result<Command> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut flags = vec![remap(&cargo_home()?, "/cargo")?];
        let mut command = match self {
            Self::Own => {
                let mut command = Command::new(cargo);
                command.arg("build");
                command
            }
            Self::Cross { library } => {
                let mut command = Command::new("cargo-zigbuild");
                command.args(["zigbuild", "--target", platform.triple]);
                // For size, as the crate, and without what resolves names in a backtrace: a release has no names.
                command.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"]);
                command
                    .env("CARGO", cargo)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("MACOSX_DEPLOYMENT_TARGET", MACOS);
                if platform.libc != Libc::Windows {
                    // A panic aborts, so nobody unwinds a stack; but rustc demands the tables on Windows.
                    flags.push("-Cforce-unwind-tables=no".to_owned());
                }
                flags.push(remap(library, "/rust")?);
                match platform.libc {
                    Libc::Musl => flags.push("-Clink-self-contained=no".to_owned()),
                    Libc::Windows => {}
                    Libc::Apple => {
                        flags.push(format!("-Clink-arg=-F{FRAMEWORKS}"));
                        // By the linker, which signs what it writes: a change after that would break the signature.
                        flags.push("-Cstrip=none".to_owned());
                        flags.extend(
                            ["-s", "-Wl,-x", "-Wl,-dead_strip_dylibs"].map(|arg| format!("-Clink-arg={arg}")),
                        );
                    }
                }
                command
            }
        };
        command
            .args(["--release", "--locked", "--package", "feedbuild", "--bin", "feedbuild"])
            .arg("--message-format=json-render-diagnostics")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .current_dir(root)
            .stderr(Stdio::inherit());
        Ok(command)
    }
}

/// The compiler's release and commit, as it names them.
pub(crate) fn rustc_version() -> Result<String> {
    let version = rustc(&["--version"])?;
    Ok(version.strip_prefix("rustc ").unwrap_or(&version).to_owned())
}

fn rustc(arguments: &[&str]) -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(arguments).output().context("cannot run rustc")?;
    if !output.status.success() {
        bail!("`rustc {}` ended with {}", arguments.join(" "), output.status);
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn has_zig() -> bool {
    env::var_os("CARGO_ZIGBUILD_ZIG_PATH").is_some()
        || runs("zig", &["version"])
        || runs("python3", &["-m", "ziglang", "version"])
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Panic messages name source files: those of dependencies lie below cargo's home, which differs by machine.
fn cargo_home() -> Result<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .context("cannot tell cargo's home: neither `CARGO_HOME` nor `HOME` is set")
}

fn remap(from: &Path, to: &str) -> Result<String> {
    let from = from.to_str().with_context(|| format!("the path `{}` is not UTF-8", from.display()))?;
    Ok(format!("--remap-path-prefix={from}={to}"))
}
