//! A port of loopback before an engine that listens on a unix socket: its API, or the gRPC of its BuildKit as a builder
//! of buildx's `remote` driver speaks it, in clear or over mutual TLS.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
};

use crate::{server::Server, tls};

/// What a connection reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The engine's API.
    Api,
    /// The engine's BuildKit.
    BuildKit,
}

/// A running gateway; it listens until it is cut or dropped.
pub struct Gateway {
    port: u16,
    server: Mutex<Option<Server>>,
    state: Arc<State>,
    certificates: Option<TempDir>,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    hold: Mutex<Option<Hold>>,
}

/// A connection stands still once it has passed so many bytes of the engine.
struct Hold {
    after: u64,
    held: mpsc::Sender<()>,
}

impl Gateway {
    /// Starts before the engine at `host`, a `unix://` address.
    pub fn start(host: &str, entry: Entry) -> Self {
        Self::open(host, entry, None)
    }

    /// Starts one that speaks TLS, and only with who has a certificate of its authority.
    pub fn with_tls(host: &str, entry: Entry) -> Self {
        let folder = TempDir::with_prefix("gateway-").expect("a temporary folder can be made");
        Self::open(host, entry, Some(folder))
    }

    fn open(host: &str, entry: Entry, certificates: Option<TempDir>) -> Self {
        let socket = PathBuf::from(host.strip_prefix("unix://").expect("the engine listens on a socket"));
        let acceptor = certificates.as_ref().map(|folder| tls::mutual(folder.path()));
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = Server::serve(IpAddr::V4(Ipv4Addr::LOCALHOST), move |stream| {
            let (socket, acceptor, state) = (socket.clone(), acceptor.clone(), Arc::clone(&shared));
            async move {
                state.connections.fetch_add(1, Ordering::Relaxed);
                // Either side may go away at any time; that ends the connection and is nobody's error.
                let _ = match acceptor {
                    None => pass(stream, &socket, entry, &state).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => pass(stream, &socket, entry, &state).await,
                        Err(error) => Err(error),
                    },
                };
            }
        });
        Self { port: server.address().port(), server: Mutex::new(Some(server)), state, certificates }
    }

    /// Its address as buildx and docker take it; `host` names this machine.
    pub fn address(&self, host: &str) -> String {
        format!("tcp://{host}:{}", self.port)
    }

    /// The folder with `ca.pem`, `cert.pem` and `key.pem` for its clients.
    pub fn certificates(&self) -> &Path {
        self.certificates.as_ref().expect("it speaks TLS").path()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// From now on a connection stands still once it has passed this many bytes of the engine. What is returned waits
    /// until one does, and panics after `deadline`.
    pub fn hold_after(&self, bytes: u64) -> impl FnOnce(Duration) + use<> {
        let (held, waiting) = mpsc::channel();
        *self.state.hold.lock().expect("no thread panics with it") = Some(Hold { after: bytes, held });
        move |deadline| waiting.recv_timeout(deadline).expect("a connection passes that much")
    }

    /// Ends all connections and listens no more, as an engine that is killed.
    pub fn cut(&self) {
        drop(self.server.lock().expect("no thread panics with it").take());
    }
}

async fn pass(
    client: impl AsyncRead + AsyncWrite,
    socket: &Path,
    entry: Entry,
    state: &State,
) -> io::Result<()> {
    let mut engine = UnixStream::connect(socket).await?;
    if entry == Entry::BuildKit {
        let upgrade = b"POST /grpc HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
        engine.write_all(upgrade).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(engine.read_u8().await?);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
        }
    }
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_engine, mut to_engine) = engine.split();
    let requests = async {
        tokio::io::copy(&mut from_client, &mut to_engine).await?;
        to_engine.shutdown().await
    };
    let answers = async {
        let (mut buffer, mut passed) = (vec![0; 64 << 10], 0);
        loop {
            let length = from_engine.read(&mut buffer).await?;
            if length == 0 {
                return to_client.shutdown().await;
            }
            to_client.write_all(&buffer[..length]).await?;
            passed += length as u64;
            if state.holds(passed) {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::try_join!(requests, answers)?;
    Ok(())
}

impl State {
    /// Whether a connection that has passed so much is to stand still.
    fn holds(&self, passed: u64) -> bool {
        let hold = self.hold.lock().expect("no thread panics with it");
        let Some(hold) = hold.as_ref().filter(|hold| hold.after <= passed) else { return false };
        // Who waits wants the first one only.
        let _ = hold.held.send(());
        true
    }
}
