//! The one version: the crate's, from which those of the extension and of the task follow.
//!
//! Rule: the task's version is `1.(100 × major + minor).patch` of the crate's `major.minor.patch`. Its `Major` is
//! the `@1` that pipelines write and changes only with the meaning of the inputs; the rest grows with
//! every release, since an agent keeps the files of a task's version for ever.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// The crate's version; every crate of the workspace has the same.
pub(crate) const CRATE: &str = env!("CARGO_PKG_VERSION");

/// `task.json` with the task's version in it; in the sources it holds `Major` alone.
pub(crate) fn insert(task: &[u8], version: &str) -> Result<Vec<u8>> {
    let mut task: Value = serde_json::from_slice(task).context("cannot parse `task.json`")?;
    let major = &task["version"]["Major"];
    if task["version"] != json!({ "Major": major, "Minor": 0, "Patch": 0 }) {
        bail!(
            "`version` in `task.json` has a Minor or a Patch of its own\n\n\
             hint: leave both 0: they follow from `version` in `Cargo.toml`"
        );
    }
    let [minor, patch] = task_version(version)?;
    task["version"]["Minor"] = minor.into();
    task["version"]["Patch"] = patch.into();
    Ok(format!("{task:#}\n").into_bytes())
}

/// An error if the changelog tells of a later release.
pub(crate) fn check_grows(changelog: &str, version: &str) -> Result<()> {
    let ours = numbers(version).with_context(|| format!("version {version} is not three numbers"))?;
    let released = changelog.lines().filter_map(|line| {
        let released = line.strip_prefix("## [")?.split_once(']')?.0;
        Some((numbers(released)?, released))
    });
    match released.max() {
        Some((latest, latest_text)) if latest > ours => bail!(
            "version {version} goes down: `CHANGELOG.md` tells of release {latest_text}\n\n\
             hint: set `version` in `Cargo.toml` to more than {latest_text}: agents and the marketplace take no lower one"
        ),
        _ => Ok(()),
    }
}

fn numbers(version: &str) -> Option<[u32; 3]> {
    let numbers: Vec<u32> = version.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// Minor and patch of the task in a release of the crate.
fn task_version(version: &str) -> Result<[u32; 2]> {
    match numbers(version) {
        Some([major, minor @ ..100, patch]) => Ok([100 * major + minor, patch]),
        _ => bail!(
            "version {version} of the crate makes no task version: it is not three numbers, the second below 100"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_gets_its_version_from_the_crate() {
        let task = br#"{"version": {"Major": 1, "Minor": 0, "Patch": 0}, "a": []}"#;
        let text = String::from_utf8(insert(task, "0.2.3").unwrap()).unwrap();
        let expected = "{\n  \"version\": {\n    \"Major\": 1,\n    \"Minor\": 2,\n    \"Patch\": 3\n  },\n  \"a\": []\n}\n";
        assert_eq!(text, expected);
        let own = br#"{"version": {"Major": 1, "Minor": 2, "Patch": 0}}"#;
        assert_eq!(
            insert(own, "0.2.3").unwrap_err().to_string(),
            "`version` in `task.json` has a Minor or a Patch of its own\n\n\
             hint: leave both 0: they follow from `version` in `Cargo.toml`"
        );
    }

    #[test]
    fn a_later_release_has_a_later_task() {
        assert_eq!(task_version("0.1.0").unwrap(), [1, 0]);
        assert_eq!(task_version("0.99.7").unwrap(), [99, 7]);
        assert_eq!(task_version("1.0.0").unwrap(), [100, 0]);
        assert_eq!(task_version("2.3.4").unwrap(), [203, 4]);
    }

    #[test]
    fn a_version_that_would_collide_or_is_no_release_is_refused() {
        for version in ["0.100.0", "1.0", "1.0.0-rc.1"] {
            task_version(version).unwrap_err();
        }
    }

    #[test]
    fn a_version_that_goes_down_is_refused() {
        let changelog =
            "# Changelog\n\n## [Unreleased]\n\n## [0.9.0] - 2026-01-02\n\n## [0.10.1]\n\n## [0.2.0]\n";
        for version in ["0.10.1", "0.10.2", "1.0.0"] {
            check_grows(changelog, version).unwrap();
        }
        assert_eq!(
            check_grows(changelog, "0.10.0").unwrap_err().to_string(),
            "version 0.10.0 goes down: `CHANGELOG.md` tells of release 0.10.1\n\n\
             hint: set `version` in `Cargo.toml` to more than 0.10.1: agents and the marketplace take no lower one"
        );
    }
}
