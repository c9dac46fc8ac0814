//! The task's native binaries, as cargo builds them.
//!
//! Edge: runs cargo and reads its output. Rule: the compiler's flags are ours alone, so that the caller's
//! `RUSTFLAGS` and the place of the sources leave no trace in a binary.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::platform::Platform;
use crate::toolchain::Toolchain;

/// A binary and the platform that runs it.
pub(crate) struct Binary {
    pub(crate) platform: &'static Platform,
    pub(crate) bytes: Vec<u8>,
}

/// Builds the binary for a platform.
pub(crate) fn compile(root: &Path, toolchain: &Toolchain, platform: &'static Platform) -> Result<Binary> {
    let output = toolchain.command(root, platform)?.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cannot build the binary for `{}`: cargo ended with {}", platform.name, output.status);
    }
    let file = executable(&output.stdout).context("cargo named no executable")?;
    let bytes = fs::read(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    Ok(Binary { platform, bytes })
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
