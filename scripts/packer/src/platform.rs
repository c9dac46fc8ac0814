//! The platforms that a package may hold a binary for.
//!
//! Rule: a name here is the folder below `bin/` in which `launcher.js` looks.

use anyhow::{Result, bail};

/// A platform as the launcher, Rust's compiler and Rust's library name it.
#[derive(Debug, PartialEq)]
pub(crate) struct Platform {
    /// Folder below `bin/`: the agent's name of the system, Node's of the architecture.
    pub(crate) name: &'static str,
    /// Target triple for a cross build.
    pub(crate) triple: &'static str,
    os: &'static str,
    arch: &'static str,
}

const PLATFORMS: [Platform; 6] = [
    Platform { name: "linux-x64", triple: "x86_64-unknown-linux-gnu", os: "linux", arch: "x86_64" },
    Platform { name: "linux-arm64", triple: "aarch64-unknown-linux-gnu", os: "linux", arch: "aarch64" },
    Platform { name: "osx-x64", triple: "x86_64-apple-darwin", os: "macos", arch: "x86_64" },
    Platform { name: "osx-arm64", triple: "aarch64-apple-darwin", os: "macos", arch: "aarch64" },
    Platform { name: "win-x64", triple: "x86_64-pc-windows-gnu", os: "windows", arch: "x86_64" },
    Platform { name: "win-arm64", triple: "aarch64-pc-windows-gnullvm", os: "windows", arch: "aarch64" },
];

/// The platform of that name.
pub(crate) fn named(name: &str) -> Result<&'static Platform> {
    let Some(platform) = PLATFORMS.iter().find(|platform| platform.name == name) else {
        bail!("no such platform\n\nhint: one of {}", PLATFORMS.map(|platform| platform.name).join(", "));
    };
    Ok(platform)
}

impl Platform {
    /// The binary's file name.
    pub(crate) fn binary(&self) -> &'static str {
        if self.os == "windows" { "feedbuild.exe" } else { "feedbuild" }
    }

    /// An error unless this machine's own toolchain builds for the platform.
    pub(crate) fn check_buildable(&self) -> Result<()> {
        use std::env::consts::{ARCH, OS};
        if (self.os, self.arch) == (OS, ARCH) {
            return Ok(());
        }
        let here = PLATFORMS.iter().find(|platform| (platform.os, platform.arch) == (OS, ARCH));
        let hint =
            here.map_or_else(String::new, |here| format!("\n\nhint: write `--platform {}`", here.name));
        bail!(
            "cannot build for `{}` (`{}`) on this machine, which builds for itself alone{hint}",
            self.name,
            self.triple
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_platform_is_told_the_known_ones() {
        assert_eq!(
            named("linux-x86").unwrap_err().to_string(),
            "no such platform\n\nhint: one of linux-x64, linux-arm64, osx-x64, osx-arm64, win-x64, win-arm64"
        );
    }

    #[test]
    fn this_machine_builds_for_itself_and_for_no_other_platform() {
        let buildable: Vec<_> =
            PLATFORMS.iter().filter(|platform| platform.check_buildable().is_ok()).collect();
        let [here] = buildable[..] else { panic!("{buildable:?}") };
        for other in PLATFORMS.iter().filter(|platform| *platform != here) {
            assert_eq!(
                other.check_buildable().unwrap_err().to_string(),
                format!(
                    "cannot build for `{}` (`{}`) on this machine, which builds for itself alone\n\n\
                     hint: write `--platform {}`",
                    other.name, other.triple, here.name
                )
            );
        }
    }

    #[test]
    fn only_windows_has_a_suffix() {
        let binary = |name| named(name).unwrap().binary();
        assert_eq!((binary("linux-x64"), binary("win-x64")), ("feedbuild", "feedbuild.exe"));
    }
}
