//! Debian's `docker-registry` (2.8) as a child process.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Sender},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long the registry may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// A running registry; its process and its data end when it is dropped.
pub(crate) struct RegistryProcess {
    process: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    folder: TempDir,
}

impl RegistryProcess {
    /// Starts `binary` on a random port of 127.0.0.1, with the `auth` that `configure` makes in its folder.
    pub(crate) fn start(binary: &Path, configure: impl FnOnce(&Path) -> Value) -> Self {
        let folder = TempDir::with_prefix("registry-").expect("a temporary folder can be made");
        // The registry reads YAML, which JSON is.
        let config = json!({
            "version": 0.1,
            "storage": {
                "filesystem": { "rootdirectory": folder.path().join("data") }, "delete": { "enabled": true },
            },
            "http": { "addr": "127.0.0.1:0" },
            "auth": configure(folder.path()),
        });
        let path = folder.path().join("config.yml");
        fs::write(&path, config.to_string()).expect("the temporary folder is writable");
        let mut process = Command::new(binary)
            .arg("serve")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `{}`: {error}", binary.display()));
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = mpsc::channel();
        let stderr = process.stderr.take().expect("stderr is piped");
        std::thread::spawn({
            let log = Arc::clone(&log);
            move || read_log(stderr, &log, &found)
        });
        // The registry says where it listens after it has bound the port: from then on it answers.
        let Ok(address) = address.recv_timeout(START_DEADLINE) else {
            end(&mut process);
            panic!(
                "`{}` does not listen: {}",
                binary.display(),
                log.lock().expect("the reader does not panic")
            );
        };
        Self { process, address, log, folder }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the reader does not panic").clone()
    }

    /// The folder of its configuration and its data, blobs included.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for RegistryProcess {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// Keeps what the registry logs, and sends the address that it says it listens on.
fn read_log(stderr: ChildStderr, log: &Mutex<String>, found: &Sender<SocketAddr>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let address =
            line.split_once("listening on ").and_then(|(_, rest)| rest.split('"').next()?.parse().ok());
        let mut log = log.lock().expect("no thread panics with the registry's log");
        log.push_str(&line);
        log.push('\n');
        if let Some(address) = address {
            // The starter waits for the first address only.
            let _ = found.send(address);
        }
    }
}

fn end(process: &mut Child) {
    // A process that has ended already can be neither killed nor waited for twice.
    let _ = process.kill();
    let _ = process.wait();
}
