//! An engine behind ssh: a socket in the private folder, of which each connection is an `ssh` that runs
//! `docker system dial-stdio` there (docker/cli `cli/connhelper`).
//!
//! Rule: nobody but us can connect, since the folder is private.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;
use url::Url;

use super::target::Address;
use super::transport::Ssh;
use crate::error::hinted;
use crate::process::Process;

/// How long an `ssh` that has ended its output may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The tunnel; it listens as long as it lives.
#[derive(Debug)]
pub struct Tunnel {
    socket: PathBuf,
    listening: AbortHandle,
    said: Arc<Mutex<String>>,
}

impl Tunnel {
    /// Opens a tunnel to an engine behind ssh; others need none. Connects nowhere yet.
    pub fn to(address: &Address, ssh: Ssh<'_>) -> anyhow::Result<Option<Self>> {
        let Address::Ssh(address) = address else { return Ok(None) };
        let args = arguments(address).with_context(|| format!("`{address}` is no address of an engine"))?;
        let path = ssh.env.get("PATH").map(String::as_str).unwrap_or_default();
        let program =
            std::env::split_paths(path).map(|folder| folder.join("ssh")).find(|file| file.is_file());
        let program = program.ok_or_else(|| {
            hinted(
                format!("no `ssh` was found on this agent to reach the engine at `{address}`"),
                "install the OpenSSH client on the agent",
            )
        })?;
        let socket = ssh.folder.join("engine.sock");
        let listener = UnixListener::bind(&socket)
            .with_context(|| format!("cannot listen on `{}`", socket.display()))?;
        let said = Arc::new(Mutex::new(String::new()));
        let (env, heard) = (ssh.env.clone(), Arc::clone(&said));
        // On this thread: a child dies with the thread that started it.
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let process = Process {
                    program: program.clone(),
                    args: args.clone(),
                    env: env.clone(),
                    stdin: Stdio::piped(),
                };
                tokio::spawn(pass_on(stream, process, Arc::clone(&heard)));
            }
        });
        Ok(Some(Self { socket, listening: listening.abort_handle(), said }))
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What an `ssh` said last, if any ended with words.
    #[must_use]
    pub fn said(&self) -> Option<String> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.lines().rev().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Passes both directions on until one side ends; the child ends with this future. Whatever breaks off shows to the
/// engine's client, and what ssh said about it is known before.
async fn pass_on(mut stream: UnixStream, process: Process, said: Arc<Mutex<String>>) {
    let hear = |words: String| *said.lock().unwrap_or_else(PoisonError::into_inner) = words;
    let (_child, mut stdin, mut stdout, stderr) = match process.converse() {
        Ok(pipes) => pipes,
        Err(error) => return hear(format!("{error:#}")),
    };
    let (mut from_client, mut to_client) = stream.split();
    let requests = async {
        let _ = tokio::io::copy(&mut from_client, &mut stdin).await;
        let _ = stdin.shutdown().await;
        std::future::pending::<()>().await;
    };
    let answers = async {
        let _ = tokio::io::copy(&mut stdout, &mut to_client).await;
        let mut words = String::new();
        // A master connection in the background (`ControlPersist`) keeps the pipe open.
        let _ = tokio::time::timeout(LAST_WORDS, stderr.take(4096).read_to_string(&mut words)).await;
        hear(words);
        let _ = to_client.shutdown().await;
    };
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

/// The arguments of `ssh`, as docker gives them.
fn arguments(address: &str) -> anyhow::Result<Vec<OsString>> {
    let url = Url::parse(address)?;
    let host = url.host_str().filter(|host| !host.is_empty()).context("it names no host")?;
    anyhow::ensure!(url.password().is_none(), "it holds a password");
    let mut args: Vec<String> = Vec::new();
    if !url.username().is_empty() {
        args.extend(["-l".to_owned(), url.username().to_owned()]);
    }
    args.extend(url.port().into_iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
    args.extend(["-o", "ConnectTimeout=30", "-T", "--", host, "docker"].map(str::to_owned));
    let socket = url.path().trim_end_matches('/');
    if !socket.is_empty() {
        let plain = socket.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        anyhow::ensure!(plain, "its path is none of a socket");
        args.push(format!("--host=unix://{socket}"));
    }
    args.extend(["system", "dial-stdio"].map(str::to_owned));
    Ok(args.into_iter().map(Into::into).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_called_as_docker_calls_it() {
        let table: [(&str, &[&str]); 4] = [
            ("ssh://h", &["-o", "ConnectTimeout=30", "-T", "--", "h", "docker", "system", "dial-stdio"]),
            (
                "ssh://me@10.0.0.1:2222/",
                &[
                    "-l",
                    "me",
                    "-p",
                    "2222",
                    "-o",
                    "ConnectTimeout=30",
                    "-T",
                    "--",
                    "10.0.0.1",
                    "docker",
                    "system",
                    "dial-stdio",
                ],
            ),
            (
                "ssh://h/run/user/1/docker.sock",
                &[
                    "-o",
                    "ConnectTimeout=30",
                    "-T",
                    "--",
                    "h",
                    "docker",
                    "--host=unix:///run/user/1/docker.sock",
                    "system",
                    "dial-stdio",
                ],
            ),
            // Behind `--` a host is a host.
            (
                "ssh://-oX=y",
                &["-o", "ConnectTimeout=30", "-T", "--", "-oX=y", "docker", "system", "dial-stdio"],
            ),
        ];
        for (address, expected) in table {
            assert_eq!(arguments(address).expect(address), expected, "{address}");
        }
        for address in ["ssh://u:p@h", "ssh://h/x;y", "ssh://"] {
            arguments(address).expect_err(address);
        }
    }
}
