//! A host that no credential may reach.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::server::Server;

/// The first byte of a TLS connection.
const TLS_HANDSHAKE: u8 = 0x16;

/// A listener that keeps every byte it is sent and answers each HTTP request with `{}`.
pub struct Trap {
    server: Server,
    caught: Caught,
}

/// What came over each connection.
type Caught = Arc<Mutex<Vec<Vec<u8>>>>;

impl Trap {
    /// Listens on a random port of 127.0.0.1: another origin than the sandbox's, on the same host.
    pub fn start() -> Self {
        Self::on([127, 0, 0, 1])
    }

    /// Listens on a random port of another loopback address, such as 127.0.0.2: another host.
    pub fn on(ip: [u8; 4]) -> Self {
        let caught = Caught::default();
        let server = Server::serve(IpAddr::from(ip), {
            let caught = Arc::clone(&caught);
            move |stream| catch(stream, Arc::clone(&caught))
        });
        Self { server, caught }
    }

    /// Host and port.
    pub fn authority(&self) -> String {
        self.server.address().to_string()
    }

    /// The URL of its root.
    pub fn url(&self) -> String {
        format!("http://{}/", self.authority())
    }

    /// What came over each connection so far.
    pub fn caught(&self) -> Vec<Vec<u8>> {
        self.caught.lock().expect("no thread panics with the trap").clone()
    }

    /// Whether anything that came holds `text`.
    pub fn holds(&self, text: &str) -> bool {
        self.caught().iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

async fn catch(mut stream: TcpStream, caught: Caught) {
    let number = {
        let mut caught = caught.lock().expect("no thread panics with the trap");
        caught.push(Vec::new());
        caught.len() - 1
    };
    let mut buffer = [0; 4096];
    let mut answered = false;
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let ready = {
            let mut caught = caught.lock().expect("no thread panics with the trap");
            let bytes = &mut caught[number];
            bytes.extend_from_slice(&buffer[..length]);
            if bytes[0] == TLS_HANDSHAKE {
                return;
            }
            bytes.windows(4).any(|window| window == b"\r\n\r\n")
        };
        if ready && !answered {
            answered = true;
            let answer: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
                Connection: close\r\n\r\n{}";
            // Whoever hangs up here has been recorded; a body that still comes is recorded too.
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    }
}
