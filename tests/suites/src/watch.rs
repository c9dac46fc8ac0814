//! Watches the machine while a step runs: the arguments and the environment of every process, and every file below a
//! folder, searched for canaries again and again.
//!
//! Rule: what was seen is kept too, so that a test can tell "nothing was found" from "nobody looked".

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::canary::{Leak, Searcher};

/// Leaves the machine to the step between two rounds.
const PAUSE: Duration = Duration::from_millis(2);

/// Where in a process a canary was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// In its arguments.
    Arguments,
    /// In its environment.
    Environment,
}

/// A process that held a canary.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessLeak {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub parent: u32,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Whether it is inside a container of the engine.
    pub in_container: bool,
    /// Where the canary was.
    pub part: Part,
    /// Which canary, and in which form.
    pub form: String,
}

/// What a watch saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Processes that held a canary.
    pub processes: BTreeSet<ProcessLeak>,
    /// Files that held one.
    pub files: BTreeSet<Leak>,
    /// The arguments of every process that names the folder in them.
    pub commands: BTreeSet<Vec<String>>,
    /// Every file of the folder.
    pub paths: BTreeSet<PathBuf>,
}

/// A watch that is kept.
pub struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Watch {
    /// Watches every process of the machine and the files below `folder`; `engine` is a `DOCKER_HOST`.
    #[must_use]
    pub fn start(searcher: Arc<Searcher>, folder: &Path, engine: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut guard = Guard {
            outside: outside_namespaces(engine),
            folder: folder.to_owned(),
            known: BTreeMap::new(),
            seen: Seen::default(),
            searcher,
        };
        let thread = std::thread::spawn({
            let over = Arc::clone(&over);
            move || {
                loop {
                    let last = over.load(Ordering::Relaxed);
                    guard.round();
                    if last {
                        return guard.seen;
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        });
        Self { over, thread }
    }

    /// Ends the watch after one more look at everything.
    #[must_use]
    pub fn end(self) -> Seen {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watch does not panic")
    }
}

/// Looks once at every process of the machine.
#[must_use]
pub fn processes(searcher: &Searcher, engine: &str) -> BTreeSet<ProcessLeak> {
    let outside = outside_namespaces(engine);
    pids()
        .into_iter()
        .filter_map(|pid| Process::read(pid, &outside))
        .flat_map(|p| p.leaks(searcher))
        .collect()
}

struct Guard {
    searcher: Arc<Searcher>,
    outside: BTreeSet<OsString>,
    folder: PathBuf,
    /// What each file was when it was searched: inode, size, and times of change in nanoseconds.
    known: BTreeMap<PathBuf, [i128; 4]>,
    seen: Seen,
}

impl Guard {
    fn round(&mut self) {
        let folder = self.folder.display().to_string();
        for process in pids().into_iter().filter_map(|pid| Process::read(pid, &self.outside)) {
            self.seen.processes.extend(process.leaks(&self.searcher));
            if process.arguments.iter().any(|argument| argument.contains(&folder)) {
                self.seen.commands.insert(process.arguments);
            }
        }
        for entry in walkdir::WalkDir::new(&self.folder) {
            // What is gone again before it could be looked at is seen by another round, or was never whole.
            let Ok(entry) = entry else { continue };
            let Ok(metadata) = entry.metadata() else { continue };
            let nanoseconds = |seconds, rest| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
            let state = [
                i128::from(metadata.ino()),
                i128::from(metadata.size()),
                nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
                nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            ];
            if metadata.is_file() && self.known.get(entry.path()) != Some(&state) {
                let path = entry.into_path();
                if self.searcher.file(&path, &mut self.seen.files).is_ok() {
                    self.seen.paths.insert(path.clone());
                    self.known.insert(path, state);
                }
            }
        }
    }
}

struct Process {
    pid: u32,
    parent: u32,
    in_container: bool,
    arguments: Vec<String>,
    environment: Vec<u8>,
}

impl Process {
    /// A process as it is now; none if it has ended. The order matters: a process that was just forked still has its
    /// parent's arguments and environment, and the arguments, read first, tell whose environment that is.
    fn read(pid: u32, outside: &BTreeSet<OsString>) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let status = std::fs::read_to_string(folder.join("stat")).ok()?;
        // The name, in parentheses, may hold anything.
        let parent = status.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        let arguments = std::fs::read(folder.join("cmdline")).ok()?;
        let arguments = String::from_utf8_lossy(&arguments);
        let arguments = arguments.trim_end_matches('\0').split('\0').map(str::to_owned).collect();
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        let in_container = namespace(pid).is_some_and(|namespace| !outside.contains(&namespace));
        Some(Self { pid, parent, in_container, arguments, environment })
    }

    fn leaks(&self, searcher: &Searcher) -> Vec<ProcessLeak> {
        let arguments = self.arguments.join("\0");
        [(Part::Arguments, arguments.as_bytes()), (Part::Environment, &self.environment)]
            .into_iter()
            .flat_map(|(part, bytes)| {
                searcher.find(bytes).into_iter().map(move |form| ProcessLeak {
                    pid: self.pid,
                    parent: self.parent,
                    arguments: self.arguments.clone(),
                    in_container: self.in_container,
                    part,
                    form: form.to_owned(),
                })
            })
            .collect()
    }
}

fn pids() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("Linux has /proc").filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn namespace(pid: u32) -> Option<OsString> {
    std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok().map(PathBuf::into_os_string)
}

/// The process namespaces of the test and of the engine: a process in neither is in a container.
fn outside_namespaces(engine: &str) -> BTreeSet<OsString> {
    let socket = engine.strip_prefix("unix://").expect("the engines of the tests listen on sockets");
    let socket = UnixStream::connect(socket).expect("the engine runs");
    let engine = rustix::net::sockopt::socket_peercred(&socket).expect("a socket knows its peer");
    let pids = [std::process::id(), engine.pid.as_raw_nonzero().get().unsigned_abs()];
    pids.into_iter().map(|pid| namespace(pid).expect("the process runs")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::canary::canary;

    #[test]
    fn arguments_environments_and_files_are_seen() {
        let (token, password) = (canary("token"), canary("password"));
        let searcher = Arc::new(Searcher::new([("token", token.as_str()), ("password", password.as_str())]));
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        let watch = Watch::start(searcher, folder.path(), &format!("unix://{}", socket.display()));
        let leak = folder.path().join("leak");
        std::fs::write(&leak, &token).unwrap();
        let command = ["cat".to_owned(), "-".to_owned(), folder.path().join(&password).display().to_string()];
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .env("LEAK", &token)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let seen = watch.end();
        drop(child.stdin.take());
        child.wait().unwrap();

        let found = |part, form: &str| ProcessLeak {
            pid: child.id(),
            parent: std::process::id(),
            arguments: command.to_vec(),
            in_container: false,
            part,
            form: form.to_owned(),
        };
        let expected = [found(Part::Arguments, "password"), found(Part::Environment, "token")];
        assert_eq!(seen.processes, expected.into());
        assert_eq!(seen.commands, [command.to_vec()].into());
        assert_eq!(seen.files, [Leak { place: leak.display().to_string(), form: "token".to_owned() }].into());
        assert_eq!(seen.paths, [leak].into());
    }
}
