//! The platforms that a package may hold a binary for.
//!
//! Rule: a name here is the folder below `bin/` in which `launcher.js` looks.

use anyhow::{Result, bail};

use Libc::{Apple, Musl, Windows};

/// A platform as the launcher, Rust's compiler and Rust's library name it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    /// Folder below `bin/`: the agent's name of the system, Node's of the architecture.
    pub(crate) name: &'static str,
    /// Target triple for a cross build.
    pub(crate) triple: &'static str,
    /// What a cross build links besides crates.
    pub(crate) libc: Libc,
    os: &'static str,
    arch: &'static str,
}

/// The C library of a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Libc {
    /// musl, linked into the binary, which therefore runs on any distribution and in any container.
    Musl,
    /// The system's, through mingw-w64's start-up code and import libraries.
    Windows,
    /// The system's.
    Apple,
}

/// All of them.
pub(crate) const PLATFORMS: [Platform; 6] = [
    platform("linux-x64", "x86_64-unknown-linux-musl", Musl, "linux", "x86_64"),
    platform("linux-arm64", "aarch64-unknown-linux-musl", Musl, "linux", "aarch64"),
    platform("osx-x64", "x86_64-apple-darwin", Apple, "macos", "x86_64"),
    platform("osx-arm64", "aarch64-apple-darwin", Apple, "macos", "aarch64"),
    platform("win-x64", "x86_64-pc-windows-gnullvm", Windows, "windows", "x86_64"),
    platform("win-arm64", "aarch64-pc-windows-gnullvm", Windows, "windows", "aarch64"),
];

const fn platform(
    name: &'static str,
    triple: &'static str,
    libc: Libc,
    os: &'static str,
    arch: &'static str,
) -> Platform {
    Platform { name, triple, libc, os, arch }
}

/// The platform of that name.
pub(crate) fn named(name: &str) -> Result<&'static Platform> {
    let Some(platform) = PLATFORMS.iter().find(|platform| platform.name == name) else {
        bail!("no such platform\n\nhint: one of {}", PLATFORMS.map(|platform| platform.name).join(", "));
    };
    Ok(platform)
}

/// The platform of this machine.
pub(crate) fn host() -> Result<&'static Platform> {
    use std::env::consts::{ARCH, OS};
    let Some(host) = PLATFORMS.iter().find(|platform| (platform.os, platform.arch) == (OS, ARCH)) else {
        bail!(
            "no package has a binary for this machine (`{OS}`, `{ARCH}`)\n\nhint: name others by `--platform`"
        );
    };
    Ok(host)
}

impl Platform {
    /// The binary's file name.
    pub(crate) fn binary(&self) -> &'static str {
        if self.libc == Windows { "feedbuild.exe" } else { "feedbuild" }
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
    fn only_windows_has_a_suffix() {
        let binary = |name| named(name).unwrap().binary();
        assert_eq!((binary("linux-x64"), binary("win-x64")), ("feedbuild", "feedbuild.exe"));
    }
}
