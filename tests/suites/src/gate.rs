//! A gate in a build: a `RUN` stands before it until the test opens it, so that a test knows what runs without
//! looking at a clock.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a build may take to get to the gate, or to go away from it.
const LIMIT: Duration = Duration::from_mins(1);

/// A gate; each build has its own.
pub struct Gate(TcpListener);

/// A `RUN` that stands before the gate; dropping it lets the `RUN` go on.
pub struct Waiting(TcpStream);

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port can be bound"))
    }

    /// The command that waits, for a `RUN` of `feedbuild-test/base` with the host's network.
    #[must_use]
    pub fn command(&self) -> String {
        let port = self.0.local_addr().expect("a bound listener has an address").port();
        format!("nc 127.0.0.1 {port} -e cat")
    }

    /// Waits until a `RUN` stands here.
    #[must_use]
    pub fn reached(&self) -> Waiting {
        let limit = Timespec::try_from(LIMIT).expect("a minute is a time");
        let ready =
            poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)).expect("a socket can be polled");
        assert!(ready > 0, "no build came to the gate in {LIMIT:?}");
        Waiting(self.0.accept().expect("somebody is there").0)
    }
}

impl Waiting {
    /// Waits until the `RUN` is killed.
    pub fn killed(mut self) {
        self.0.set_read_timeout(Some(LIMIT)).expect("a minute is a time");
        match self.0.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("the `RUN` still stands at the gate after {LIMIT:?}: {other:?}"),
        }
    }
}
