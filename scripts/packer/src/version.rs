//! The one version that crate, extension and task carry.
//!
//! Rule: the task's version is `1.(100 × major + minor).patch` of the crate's `major.minor.patch`. Its `Major` is
//! the `@1` that pipelines write and changes only with the meaning of the inputs; the rest grows with
//! every release, since an agent keeps the files of a task's version for ever.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::stage::Stage;

/// The crate's version; every crate of the workspace has the same.
const CRATE: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TaskVersion {
    major: u32,
    minor: u32,
    patch: u32,
}

/// The part of `task.json` that is read here.
#[derive(Deserialize)]
struct Task {
    version: TaskVersion,
}

/// An error unless the extension's and the task's versions follow from the crate's.
pub(crate) fn check(stage: &Stage) -> Result<()> {
    let extension = &stage.extension.version;
    if extension != CRATE {
        bail!("`version` in `vss-extension.json` is {extension}, but the crate's is {CRATE}");
    }
    let task: Task =
        serde_json::from_slice(stage.file("task/task.json")?).context("cannot parse `task.json`")?;
    let expected = task_version(CRATE)?;
    if task.version != expected {
        bail!(
            "`version` in `task.json` is {:?}, but version {CRATE} of the crate makes it {expected:?}",
            task.version
        );
    }
    Ok(())
}

/// The version of the task in a release of the crate.
fn task_version(version: &str) -> Result<TaskVersion> {
    let numbers: Option<Vec<u32>> = version.split('.').map(|number| number.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[major, minor @ ..100, patch]) => {
            Ok(TaskVersion { major: 1, minor: 100 * major + minor, patch })
        }
        _ => bail!(
            "version {version} of the crate makes no task version: it is not three numbers, the second below 100"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::tests::sample;

    #[test]
    fn crate_extension_and_task_agree() {
        check(&sample(b"binary")).unwrap();
    }

    #[test]
    fn an_extension_of_another_version_is_refused() {
        let mut stage = sample(b"binary");
        stage.extension.version = "0.0.9".to_owned();
        let expected = format!("`version` in `vss-extension.json` is 0.0.9, but the crate's is {CRATE}");
        assert_eq!(check(&stage).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_later_release_has_a_later_task() {
        let numbers = |version| {
            let TaskVersion { major, minor, patch } = task_version(version).unwrap();
            (major, minor, patch)
        };
        assert_eq!(numbers("0.1.0"), (1, 1, 0));
        assert_eq!(numbers("0.99.7"), (1, 99, 7));
        assert_eq!(numbers("1.0.0"), (1, 100, 0));
        assert_eq!(numbers("2.3.4"), (1, 203, 4));
    }

    #[test]
    fn a_version_that_would_collide_or_is_no_release_is_refused() {
        for version in ["0.100.0", "1.0", "1.0.0-rc.1"] {
            task_version(version).unwrap_err();
        }
    }
}
