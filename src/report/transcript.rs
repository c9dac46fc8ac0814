//! What the docker client or the engine said during a build or a push, in a file for later steps, as `Docker@2` leaves
//! it. This file writes to disk.
//!
//! Rule: what is written was redacted before. A file that cannot be written costs the file alone.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// An open file.
#[derive(Debug)]
pub struct Transcript {
    path: PathBuf,
    file: BufWriter<File>,
    error: Option<io::Error>,
}

impl Transcript {
    /// Opens `<temp>/task_outputs/<command>_<milliseconds since 1970>.txt` (`DockerV2/utils.ts`); the next free
    /// millisecond if another step has it.
    pub fn create(temp: &Path, command: &str) -> io::Result<Self> {
        let folder = temp.join("task_outputs");
        fs::create_dir_all(&folder)?;
        let mut time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        loop {
            let path = folder.join(format!("{command}_{time}.txt"));
            match File::create_new(&path) {
                Ok(file) => return Ok(Self { path, file: BufWriter::new(file), error: None }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => time += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Adds a line.
    pub fn line(&mut self, text: &str) {
        if self.error.is_none() {
            self.error = writeln!(self.file, "{text}").err();
        }
    }

    /// Closes the file; it stays on disk until the agent empties its temp folder.
    pub fn finish(mut self) -> io::Result<PathBuf> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.file.flush().map(|()| self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_never_share_a_file() {
        let temp = tempfile::tempdir().expect("a folder");
        let written: Vec<PathBuf> = ["a", "b", "c"]
            .into_iter()
            .map(|text| {
                let mut transcript =
                    Transcript::create(temp.path(), "build").expect("the folder is writable");
                transcript.line(text);
                transcript.line("");
                transcript.finish().expect("the folder is writable")
            })
            .collect();
        for (path, text) in written.iter().zip(["a\n\n", "b\n\n", "c\n\n"]) {
            assert_eq!(fs::read_to_string(path).expect("it is there"), text);
            let name = path.strip_prefix(temp.path().join("task_outputs")).expect("in the folder");
            let time = name.to_str().and_then(|name| name.strip_prefix("build_")?.strip_suffix(".txt"));
            time.expect("named so").parse::<u64>().expect("a time");
        }
    }
}
