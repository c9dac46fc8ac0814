//! What the tests of the platforms share. `scripts/platforms` lays the variables.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use feedbuild_suites::variable;

/// The platforms' names, as the folders below `bin` have them.
pub const PLATFORMS: [&str; 6] = ["linux-arm64", "linux-x64", "osx-arm64", "osx-x64", "win-arm64", "win-x64"];

/// The folder of the unpacked task with a binary for every platform.
#[must_use]
pub fn task() -> PathBuf {
    variable("FEEDBUILD_TEST_ALL").into()
}

/// The binary for a platform, executable as the launcher makes it: the package holds no modes.
///
/// # Panics
/// If the task has none.
#[must_use]
pub fn binary(platform: &str) -> PathBuf {
    let name = if platform.starts_with("win-") { "feedbuild.exe" } else { "feedbuild" };
    let binary = task().join("bin").join(platform).join(name);
    std::fs::set_permissions(&binary, Permissions::from_mode(0o755)).expect("the task has every platform");
    binary
}
