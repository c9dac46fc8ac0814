//! An Azure DevOps stand-in on loopback, for the tests and the demo.
//!
//! The API blocks; every server runs in a thread of its own and ends when its handle is dropped. Nothing is
//! ever sent to, or accepted from, another machine.
//!
//! ```
//! use std::time::Duration;
//! use feedbuild_sandbox::{Fault, Feed, Sandbox, Token, Trap};
//!
//! let sandbox = Sandbox::builder()
//!     .org("contoso")
//!     .token("job-token")
//!     .token(Token::new("restricted").reader_of(&["web/private"]))
//!     .feed(Feed::org("shared"))
//!     .feed(Feed::project("web", "private"))
//!     .start();
//!
//! // Two answers go wrong, then all is well again; every request takes 5 ms more.
//! sandbox.fault("…/packaging/feeds", Fault::Status(503), 2);
//! sandbox.set_latency(Duration::from_millis(5));
//!
//! // Another host, which must not see the token.
//! let trap = Trap::on([127, 0, 0, 2]);
//! sandbox.fault("GET …/resourceAreas", Fault::Redirect(trap.url()), 1);
//!
//! // … run what is tested against `sandbox.collection_url()` and `sandbox.index_url("shared")` …
//!
//! assert!(sandbox.requests_to("resourceAreas").iter().all(|request| request.has_authorization()));
//! assert!(!trap.holds("job-token"));
//! ```
//!
//! [`Registry`] is a real registry with a password, [`Proxy`] a forward proxy that can lead the service's own
//! host names to a sandbox; both record requests and take faults as the sandbox does.

#![expect(
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "for tests: a panic is how everything here fails"
)]

mod address;
mod azure;
mod fault;
mod feed;
mod front;
mod packaging;
mod pattern;
mod proxy;
mod pypi;
mod record;
mod registry;
mod reply;
mod rest;
mod sandbox;
mod server;
mod tls;
mod token;
mod trap;
mod wheel;

pub use address::Flavour;
pub use fault::Fault;
pub use feed::Feed;
pub use proxy::Proxy;
pub use record::Received;
pub use registry::Registry;
pub use sandbox::{Builder, Sandbox};
pub use token::Token;
pub use trap::Trap;
pub use wheel::Wheel;
