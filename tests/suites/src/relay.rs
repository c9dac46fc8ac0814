//! A relay before an engine: it is what the client connects to, and it can die without hurting the engine.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A relay; it listens until it is cut.
pub struct Relay {
    address: String,
    line: Arc<Line>,
}

/// What can be cut.
struct Line {
    /// Both ends of every connection so far; none once it is cut.
    streams: Mutex<Option<Vec<UnixStream>>>,
    /// Lets the listener see that it is cut.
    wake: Box<dyn Fn() + Send + Sync>,
    /// The request at whose answer it is cut.
    until: Option<String>,
}

impl Relay {
    /// Listens on the unix socket `path` for the engine at this `DOCKER_HOST`.
    #[must_use]
    pub fn on_socket(engine: &str, path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("the folder is writable");
        let accept = move || listener.accept().expect("a socket that listens").0;
        let (address, path) = (format!("unix://{}", path.display()), path.to_owned());
        Self::start(engine, address, None, accept, move || drop(UnixStream::connect(&path)))
    }

    /// Listens on a port of loopback.
    #[must_use]
    pub fn on_port(engine: &str) -> Self {
        Self::on_port_until(engine, None)
    }

    /// The same, and is cut as soon as the answer begins to a request that has the text `until` in it.
    #[must_use]
    pub fn on_port_until(engine: &str, until: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port can be bound");
        let address = listener.local_addr().expect("a bound listener has an address");
        // A socket of any family can be read, written and shut down by this type.
        let accept = move || UnixStream::from(OwnedFd::from(listener.accept().expect("it listens").0));
        let wake = move || drop(TcpStream::connect(address));
        Self::start(engine, format!("tcp://{address}"), until.map(str::to_owned), accept, wake)
    }

    fn start(
        engine: &str,
        address: String,
        until: Option<String>,
        accept: impl Fn() -> UnixStream + Send + 'static,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let engine = engine.strip_prefix("unix://").expect("the test engines listen on sockets").to_owned();
        let line = Arc::new(Line { streams: Mutex::new(Some(Vec::new())), wake: Box::new(wake), until });
        let kept = Arc::clone(&line);
        std::thread::spawn(move || {
            loop {
                let ends = [accept(), UnixStream::connect(&engine).expect("the engine runs")];
                match kept.streams.lock().expect("no thread panics with it").as_mut() {
                    None => return,
                    Some(streams) => streams.extend(ends.each_ref().map(copy)),
                }
                let [client, server] = &ends;
                let asked = Arc::new(AtomicBool::new(false));
                let (line, seen) = (Arc::clone(&kept), Arc::clone(&asked));
                let is_it = move |bytes: &[u8]| {
                    line.until.as_ref().is_some_and(|until| contains(bytes, until.as_bytes()))
                };
                let watch = move |bytes: &[u8]| {
                    seen.fetch_or(is_it(bytes), Ordering::SeqCst);
                };
                pass_on(copy(client), copy(server), watch, || true);
                let line = Arc::clone(&kept);
                let goes_on = move || {
                    let is_over = asked.load(Ordering::SeqCst);
                    if is_over {
                        line.cut();
                    }
                    !is_over
                };
                pass_on(copy(server), copy(client), |_| {}, goes_on);
            }
        });
        Self { address, line }
    }

    /// Its `DOCKER_HOST`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.line
            .streams
            .lock()
            .expect("no thread panics with it")
            .as_ref()
            .map_or(0, |streams| streams.len() / 2)
    }

    /// Ends all connections and listens no more, as an engine that is killed.
    pub fn cut(&self) {
        self.line.cut();
    }
}

impl Line {
    fn cut(&self) {
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

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// Passes one direction of a connection on: `watch` sees each piece before it is passed on, and `goes_on` tells afterwards
/// whether that was not the last.
fn pass_on(
    mut from: UnixStream,
    mut to: UnixStream,
    watch: impl Fn(&[u8]) + Send + 'static,
    goes_on: impl Fn() -> bool + Send + 'static,
) {
    std::thread::spawn(move || {
        let mut piece = vec![0; 64 << 10];
        // Whatever ends one side ends the other one too.
        while let Ok(read @ 1..) = from.read(&mut piece) {
            watch(&piece[..read]);
            if to.write_all(&piece[..read]).is_err() || !goes_on() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
