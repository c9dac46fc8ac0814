//! A relay before an engine: it is what the client connects to, and it can die without hurting the engine.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A relay; it listens until it is cut.
pub struct Relay {
    address: String,
    /// Both ends of every connection so far; none once it is cut.
    streams: Arc<Mutex<Option<Vec<UnixStream>>>>,
    wake: Box<dyn Fn()>,
}

impl Relay {
    /// Listens on the unix socket `path` for the engine at this `DOCKER_HOST`.
    #[must_use]
    pub fn on_socket(engine: &str, path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("the folder is writable");
        let accept = move || listener.accept().expect("a socket that listens").0;
        let (address, path) = (format!("unix://{}", path.display()), path.to_owned());
        Self::start(engine, address, accept, move || drop(UnixStream::connect(&path)))
    }

    /// Listens on a port of loopback.
    #[must_use]
    pub fn on_port(engine: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port can be bound");
        let address = listener.local_addr().expect("a bound listener has an address");
        // A socket of any family can be read, written and shut down by this type.
        let accept = move || UnixStream::from(OwnedFd::from(listener.accept().expect("it listens").0));
        Self::start(engine, format!("tcp://{address}"), accept, move || drop(TcpStream::connect(address)))
    }

    fn start(
        engine: &str,
        address: String,
        accept: impl Fn() -> UnixStream + Send + 'static,
        wake: impl Fn() + 'static,
    ) -> Self {
        let engine = engine.strip_prefix("unix://").expect("the test engines listen on sockets").to_owned();
        let streams = Arc::new(Mutex::new(Some(Vec::new())));
        let kept = Arc::clone(&streams);
        std::thread::spawn(move || {
            loop {
                let ends = [accept(), UnixStream::connect(&engine).expect("the engine runs")];
                match kept.lock().expect("no thread panics with it").as_mut() {
                    None => return,
                    Some(streams) => streams.extend(ends.each_ref().map(copy)),
                }
                let [client, server] = &ends;
                pass_on(copy(client), copy(server));
                pass_on(copy(server), copy(client));
            }
        });
        Self { address, streams, wake: Box::new(wake) }
    }

    /// Its `DOCKER_HOST`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.streams.lock().expect("no thread panics with it").as_ref().map_or(0, |streams| streams.len() / 2)
    }

    /// Ends all connections and listens no more, as an engine that is killed.
    pub fn cut(&self) {
        for stream in self.streams.lock().expect("no thread panics with it").take().into_iter().flatten() {
            // One that its peer has ended already needs no end.
            let _ = stream.shutdown(Shutdown::Both);
        }
        (self.wake)();
    }
}

/// Another handle on the same socket.
fn copy(stream: &UnixStream) -> UnixStream {
    stream.try_clone().expect("there are descriptors left")
}

/// Passes one direction of a connection on until its end.
fn pass_on(mut from: UnixStream, mut to: UnixStream) {
    std::thread::spawn(move || {
        // Whatever ends one side ends the other one too.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
