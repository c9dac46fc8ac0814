//! A port of loopback before an engine that listens on a unix socket: its API, or the gRPC of its BuildKit as a builder
//! of buildx's `remote` driver speaks it, in clear or over mutual TLS.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
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
    connections: Arc<AtomicUsize>,
    certificates: Option<TempDir>,
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
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let server = Server::serve(IpAddr::V4(Ipv4Addr::LOCALHOST), move |stream| {
            let (socket, acceptor, counted) = (socket.clone(), acceptor.clone(), Arc::clone(&counted));
            async move {
                counted.fetch_add(1, Ordering::Relaxed);
                // Either side may go away at any time; that ends the connection and is nobody's error.
                let _ = match acceptor {
                    None => pass(stream, &socket, entry).await,
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => pass(stream, &socket, entry).await,
                        Err(error) => Err(error),
                    },
                };
            }
        });
        Self { port: server.address().port(), server: Mutex::new(Some(server)), connections, certificates }
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
        self.connections.load(Ordering::Relaxed)
    }

    /// Ends all connections and listens no more, as an engine that is killed.
    pub fn cut(&self) {
        drop(self.server.lock().expect("no thread panics with it").take());
    }
}

async fn pass(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    socket: &Path,
    entry: Entry,
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
    tokio::io::copy_bidirectional(&mut client, &mut engine).await?;
    Ok(())
}
