//! The records that the engine keeps of builds: what was built, and all that it printed.
//!
//! Rule: a record that may hold one of our secrets is removed, and handed to nobody.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::client::Client;
use super::workshop::Workshop;
use crate::cancel::Cancel;
use crate::lines::LineBuffer;
use crate::process::{Ended, Process};

/// How long the client may take to remove a record. The engine may be busy with the end of the build.
const REMOVAL: Duration = Duration::from_secs(30);

/// The same after a cancel, which leaves 7.5 s for all.
const HASTY_REMOVAL: Duration = Duration::from_secs(3);

/// How long the engine is left alone with a record that it is still writing.
const PAUSE: Duration = Duration::from_millis(100);

/// The largest record that is searched, unpacked. BuildKit keeps 2 MiB of what a step prints.
const LARGEST: u64 = 256 << 20;

/// How far the clock of the file system may be behind.
const CLOCK: Duration = Duration::from_millis(50);

/// What buildx notes of a build when it begins (buildx `localstate`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    #[serde(default)]
    dockerfile_path: PathBuf,
}

/// What matters here of the metadata file, which need not name an image.
#[derive(Deserialize)]
struct Written {
    #[serde(rename = "buildx.build.ref")]
    build_ref: String,
}

impl Workshop<'_> {
    /// The ids of the records of a call that began at `since`: the one that buildx's metadata file names, else those of
    /// the same Dockerfile that buildx has noted.
    #[must_use]
    pub(super) fn records(&self, since: SystemTime) -> Vec<String> {
        let written = self.result().ok().and_then(|text| serde_json::from_slice::<Written>(&text).ok());
        if let Some(written) = written {
            return vec![id(&written.build_ref).to_owned()];
        }
        let Some(config) = self.session.env.get("BUILDX_CONFIG") else { return Vec::new() };
        let refs = Path::new(config).join("refs").join(&self.builder.name);
        let begun = since.checked_sub(CLOCK).unwrap_or(since);
        let entries = walkdir::WalkDir::new(refs).min_depth(2).max_depth(2).into_iter().flatten();
        entries
            .filter(|entry| {
                let modified = entry.metadata().ok().and_then(|metadata| metadata.modified().ok());
                modified.is_some_and(|modified| modified >= begun) && self.is_of_dockerfile(entry.path())
            })
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    fn is_of_dockerfile(&self, note: &Path) -> bool {
        let state = std::fs::read(note).ok().and_then(|text| serde_json::from_slice::<State>(&text).ok());
        state.is_some_and(|state| state.dockerfile_path == self.plan.dockerfile)
    }

    /// Removes the records of a build in which a secret was found, also after a cancel, and says so. `why` is what was
    /// found where, as a sentence without its full stop.
    pub async fn remove_records(&self, ids: &[String], why: &str) {
        let removed = async {
            anyhow::ensure!(!ids.is_empty(), "the docker client does not say which record it is");
            let never = Cancel::never();
            let removal = async {
                loop {
                    match self.history("rm", ids, &never).await {
                        Err(error) if is_being_written(&error) => tokio::time::sleep(PAUSE).await,
                        result => return result,
                    }
                }
            };
            let limit = if self.cancel.is_requested() { HASTY_REMOVAL } else { REMOVAL };
            tokio::time::timeout(limit, removal).await.context("the docker client takes too long")?
        };
        match removed.await {
            Ok(()) => self.console.line(&format!("{why}; the engine's record of the build was removed.")),
            Err(error) => {
                let error = error.context(format!(
                    "{why}, and the engine's record of the build cannot be removed; remove it by `docker buildx history rm`"
                ));
                self.console.caution(&crate::error::render(&error));
            }
        }
    }

    /// Writes a record into a file; an error if one of our secrets is in it.
    pub async fn export_record(&self, id: &str, to: &Path) -> anyhow::Result<()> {
        let output = format!("--output={}", to.display());
        self.history("export", &[output, id.to_owned()], self.cancel).await?;
        let file = std::fs::File::open(to).with_context(|| format!("cannot read `{}`", to.display()))?;
        let mut bytes = Vec::new();
        let mut unpacked = MultiGzDecoder::new(file).take(LARGEST + 1);
        unpacked.read_to_end(&mut bytes).context("the record cannot be unpacked")?;
        anyhow::ensure!(bytes.len() as u64 <= LARGEST, "the record is too large to be searched for secrets");
        anyhow::ensure!(!self.console.redactor().leaks(&bytes), "a secret of this step is in the record");
        Ok(())
    }

    /// Runs `buildx history`.
    async fn history(&self, command: &str, args: &[String], cancel: &Cancel) -> anyhow::Result<()> {
        let Client::Buildx(program) = self.client else {
            anyhow::bail!("this docker client knows no records of builds");
        };
        let builder = format!("--builder={}", self.builder.name);
        let words = ["history", command, &builder].into_iter().chain(args.iter().map(String::as_str));
        let process = Process {
            program: program.clone(),
            args: words.map(Into::into).collect(),
            env: self.session.env.clone(),
            stdin: Stdio::null(),
        };
        let mut last = String::new();
        let ended = process.supervise(cancel, LineBuffer::whole, |line| line.clone_into(&mut last)).await?;
        let said = self.console.redact(last.strip_prefix("ERROR: ").unwrap_or(&last));
        anyhow::ensure!(ended == Ended::Exited(0), "`docker buildx history {command}` says: {said}");
        Ok(())
    }
}

/// What `buildx history` calls a build: the last part of `<builder>/<node>/<id>`. It takes the whole for the id of no
/// build, and says nothing.
#[must_use]
pub fn id(build_ref: &str) -> &str {
    build_ref.rsplit('/').next().unwrap_or(build_ref)
}

/// Whether the engine has not written the record yet. It writes one, with a lease, when the build has ended (BuildKit
/// `solver/llbsolver/history.go`), which is after a cancelled client has.
fn is_being_written(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    text.contains("lease \"ref_") && text.contains("not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_known_by_the_last_part_of_its_reference() {
        assert_eq!(id("default/default/yp0cxb3wpidjkklg2r36bquv6"), "yp0cxb3wpidjkklg2r36bquv6");
        assert_eq!(id("x"), "x");
    }

    #[test]
    fn a_record_without_a_lease_is_being_written() {
        let said = |text: &str| is_being_written(&anyhow::anyhow!("`docker buildx history rm` says: {text}"));
        assert!(said("lease \"ref_yp0cxb3wpidjkklg2r36bquv6\": not found"));
        assert!(!said("no such builder"));
    }
}
