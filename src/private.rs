//! The private folder of one run, for what has to be a file: the docker config, the metadata file, and secrets
//! where they cannot be fed by descriptor. It is under the agent's temp folder, 0700 (on Windows with an access control
//! list of its owner alone), and removed on every way out but SIGKILL; then the post-job stage removes it.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::agent::env::Env;
use crate::error::hint_context;

const PREFIX: &str = "feedbuild-";

/// A folder that only we can read, removed when it is dropped.
#[derive(Debug)]
pub struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    /// Makes a new one. Two steps of one job may run at once and a step may be retried, so its name is unique.
    pub fn create(env: &Env) -> anyhow::Result<Self> {
        let temp = temp_folder(env);
        let path = temp.join(format!("{PREFIX}{}-{:08x}", std::process::id(), fastrand::u32(..)));
        make(&path).map_err(|error| {
            anyhow::Error::new(error).context(hint_context(
                format!("cannot make a private folder in `{}`", temp.display()),
                "free some disk space there, and let the agent's user write to it (`Agent.TempDirectory`)",
            ))
        })?;
        let folder = Self { path };
        #[cfg(windows)]
        folder.protect(env)?;
        Ok(folder)
    }

    /// On Windows a new folder lets in whom the folder above lets in.
    #[cfg(windows)]
    fn protect(&self, env: &Env) -> anyhow::Result<()> {
        let system = Path::new(env.get("SystemRoot").unwrap_or(r"C:\Windows"));
        crate::process::leave_to_owner(&self.path, system)
            .with_context(|| format!("cannot keep other users out of `{}`", self.path.display()))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that only we can read, in it.
    pub fn write(&self, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        write(&path, content).map_err(|error| {
            anyhow::Error::new(error).context(hint_context(
                format!("cannot write `{}`", path.display()),
                "free some disk space in the agent's temp folder (`Agent.TempDirectory`)",
            ))
        })?;
        Ok(path)
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // What cannot be removed now is left to the post-job stage and to the agent, which empties its temp folder.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(unix)]
fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(windows)]
fn make(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

/// Writes a new file that only we can read.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(path)?, content)
}

/// What a sweep found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// How many runs went on, which have been stopped.
    pub stopped: usize,
    /// How many folders were left.
    pub removed: usize,
}

/// Stops the runs of this job that still go on, and removes the folders that its runs left because they were killed.
pub fn sweep(env: &Env) -> anyhow::Result<Swept> {
    // Elsewhere the folders may be those of other jobs.
    let Some(temp) = env.variable("Agent.TempDirectory").map(Path::new) else { return Ok(Swept::default()) };
    let mut swept = Swept::default();
    let entries = match std::fs::read_dir(temp) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(swept),
        entries => entries.with_context(|| format!("cannot read `{}`", temp.display()))?,
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read `{}`", temp.display()))?;
        let (name, path) = (entry.file_name(), entry.path());
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).filter(|_| path.is_dir())
        else {
            continue;
        };
        swept.stopped += usize::from(stop_run(rest, temp));
        // A run that was stopped has removed its own.
        if path.exists() {
            std::fs::remove_dir_all(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
            swept.removed += 1;
        }
    }
    Ok(swept)
}

/// Stops the run whose private folder has this name, without its prefix, if it still runs.
#[cfg(target_os = "linux")]
fn stop_run(name: &str, temp: &Path) -> bool {
    let pid = name.split_once('-').and_then(|(pid, _)| pid.parse().ok());
    pid.is_some_and(|pid| crate::process::forsaken::stop(pid, temp))
}

/// Container jobs, in which a run may go on, are containers of Linux.
#[cfg(not(target_os = "linux"))]
fn stop_run(_: &str, _: &Path) -> bool {
    false
}

/// The agent's temp folder, which the agent empties at the end of the job; elsewhere the system's.
#[must_use]
pub fn temp_folder(env: &Env) -> PathBuf {
    env.variable("Agent.TempDirectory").map_or_else(std::env::temp_dir, PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn it_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = PrivateFolder::create(&Env::default()).expect("temp is writable");
        let mode = |path: &Path| path.metadata().expect("it exists").permissions().mode() & 0o777;
        let file = folder.write("x", b"y").expect("it is writable");
        assert_eq!((mode(folder.path()), mode(&file)), (0o700, 0o600));
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
