//! A real container registry with a password, behind a front that records and can be told to fail.
//!
//! The registry is Debian's `docker-registry` (2.8); the front passes everything through unless a fault is due.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, Sender},
    },
    time::Duration,
};

use hyper::{Request, Response, body::Incoming};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    fault::Fault,
    front::Front,
    proxy::forward,
    record::Received,
    reply,
    server::{Body, Connection, Handler, HungUp, Server},
};

/// How long the registry may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// The cheapest cost that bcrypt has: what is hashed here is no secret.
const BCRYPT_COST: u32 = 4;

/// A running registry; its process and its data end when it is dropped.
pub struct Registry {
    relay: Arc<Relay>,
    server: Server,
    process: Child,
    log: Arc<Mutex<String>>,
    user: String,
    password: String,
    folder: TempDir,
}

struct Relay {
    registry: SocketAddr,
    front: Front,
}

impl Registry {
    /// Starts `binary` on a random port of 127.0.0.1, open to this user name and password only.
    pub fn start(binary: &Path, user: &str, password: &str) -> Self {
        let folder = TempDir::with_prefix("registry-").expect("a temporary folder can be made");
        let config = configure(folder.path(), user, password);
        let mut process = Command::new(binary)
            .arg("serve")
            .arg(&config)
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
        let Ok(registry) = address.recv_timeout(START_DEADLINE) else {
            end(&mut process);
            panic!(
                "`{}` does not listen: {}",
                binary.display(),
                log.lock().expect("the reader does not panic")
            );
        };
        let relay = Arc::new(Relay { registry, front: Front::default() });
        let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), None, Arc::clone(&relay));
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { relay, server, process, log, user, password, folder }
    }

    /// Host and port, as image references begin.
    pub fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// The user name that it lets in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password that it lets in.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Lets the next `count` requests for `pattern` meet `fault` (`usize::MAX`: all of them).
    pub fn fault(&self, pattern: &str, fault: Fault, count: usize) {
        self.relay.front.faults.add(pattern, fault, 0, count);
    }

    /// Lets only the `nth` request (from 1) for `pattern` from now on meet `fault`.
    pub fn fault_nth(&self, pattern: &str, nth: usize, fault: Fault) {
        self.relay.front.faults.add(pattern, fault, nth - 1, 1);
    }

    /// Answers every request with `status` until the faults are taken back: 401 or 403 refuses the login.
    pub fn refuse(&self, status: u16) {
        self.fault("/v2/", Fault::Status(status), usize::MAX);
    }

    /// Takes back all faults.
    pub fn clear_faults(&self) {
        self.relay.front.faults.clear();
    }

    /// All requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.relay.front.log.all()
    }

    /// The requests so far that match `pattern`.
    pub fn requests_to(&self, pattern: &str) -> Vec<Received> {
        self.relay.front.log.matching(pattern)
    }

    /// Waits until `count` requests for `pattern` have arrived, and panics after `deadline`.
    pub fn wait_for(&self, pattern: &str, count: usize, deadline: Duration) -> Vec<Received> {
        self.relay.front.log.wait_for(pattern, count, deadline)
    }

    /// What the registry itself has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the reader does not panic").clone()
    }

    /// The folder of its configuration and its data, blobs included.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

impl Handler for Relay {
    async fn answer(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response<Body>, HungUp> {
        let pass = async |request, _| {
            forward(self.registry, request).await.unwrap_or_else(|error| reply::html(502, error.to_string()))
        };
        self.front.answer(request, connection, pass).await
    }
}

/// Writes the registry's configuration and password file into `folder`.
fn configure(folder: &Path, user: &str, password: &str) -> std::path::PathBuf {
    let passwords = folder.join("htpasswd");
    let hash = bcrypt::hash(password, BCRYPT_COST).expect("bcrypt takes any password without a null byte");
    fs::write(&passwords, format!("{user}:{hash}\n")).expect("the temporary folder is writable");
    // The registry reads YAML, which JSON is.
    let config = json!({
        "version": 0.1,
        "storage": { "filesystem": { "rootdirectory": folder.join("data") }, "delete": { "enabled": true } },
        "http": { "addr": "127.0.0.1:0" },
        "auth": { "htpasswd": { "realm": "registry", "path": passwords } },
    });
    let path = folder.join("config.yml");
    fs::write(&path, config.to_string()).expect("the temporary folder is writable");
    path
}

/// Keeps what the registry logs, and sends the address that it says it listens on.
fn read_log(stderr: ChildStderr, log: &Mutex<String>, found: &Sender<SocketAddr>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let address =
            line.split_once("listening on ").and_then(|(_, rest)| rest.split('"').next()?.parse().ok());
        if let Some(address) = address {
            // The starter waits for the first address only.
            let _ = found.send(address);
        }
        let mut log = log.lock().expect("no thread panics with the registry's log");
        log.push_str(&line);
        log.push('\n');
    }
}

fn end(process: &mut Child) {
    // A process that has ended already can be neither killed nor waited for twice.
    let _ = process.kill();
    let _ = process.wait();
}
