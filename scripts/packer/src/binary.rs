//! The task's native binary, as cargo builds it.
//!
//! Edge: runs cargo and reads its output. Rule: the compiler's flags are ours alone, so that the caller's
//! `RUSTFLAGS` and the place of the registry's sources leave no trace in the binary.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::platform::Platform;

/// A binary and the platform that runs it.
pub(crate) struct Binary {
    pub(crate) platform: &'static Platform,
    pub(crate) bytes: Vec<u8>,
}

/// Builds the binary for each platform; all are checked before the first one is built.
pub(crate) fn compile_all(root: &Path, platforms: &[&'static Platform]) -> Result<Vec<Binary>> {
    for platform in platforms {
        platform.check_buildable()?;
    }
    platforms.iter().map(|platform| compile(root, platform)).collect()
}

fn compile(root: &Path, platform: &'static Platform) -> Result<Binary> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--locked", "--package", "feedbuild", "--bin", "feedbuild"])
        .arg("--message-format=json-render-diagnostics")
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags()?)
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cannot build the binary for `{}`: cargo ended with {}", platform.name, output.status);
    }
    let file = executable(&output.stdout).context("cargo named no executable")?;
    let bytes = fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    Ok(Binary { platform, bytes })
}

/// Panic messages name source files: those of dependencies lie below cargo's home, which differs by machine.
fn rustflags() -> Result<String> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .context("cannot tell cargo's home: neither `CARGO_HOME` nor `HOME` is set")?;
    let home = home.to_str().context("the path of cargo's home is not UTF-8")?;
    Ok(format!("--remap-path-prefix={home}=/cargo"))
}

/// The executable that cargo's JSON messages, one a line, tell of.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"anyhow"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"feedbuild"},"executable":"/t/release/feedbuild"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n"
        );
        assert_eq!(executable(messages.as_bytes()), Some(PathBuf::from("/t/release/feedbuild")));
        assert_eq!(executable(b""), None);
    }
}
