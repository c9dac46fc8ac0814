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
//! Feeds speak every [`Protocol`], and each holds a [`Package`] for each. [`Builder::application`] sets up a workload
//! identity, [`PackageServer`] is somebody else's feed, as service connections name it.
//!
//! [`Registry`] is a real registry with a password, [`Acr`] one with the token services of Azure Container Registry,
//! [`ManagedIdentity`] gives a machine an identity, [`Proxy`] a forward proxy that can lead the service's own
//! host names to a sandbox; both record requests and take faults as the sandbox does. [`Gateway`] stands before a real
//! engine.

#![expect(
    clippy::must_use_candidate,
    clippy::missing_panics_doc,
    reason = "for tests: a panic is how everything here fails"
)]

mod aadsts;
mod acr;
mod address;
mod application;
mod archive;
mod artifact;
mod azure;
mod builder;
mod cargo;
mod entra;
mod fault;
mod feed;
mod front;
mod gateway;
mod git;
mod issued;
mod jwt;
mod library;
mod managed_identity;
mod maven;
mod npm;
mod nuget;
mod nupkg;
mod oidc;
mod package;
mod package_server;
mod packaging;
mod pattern;
mod protocol;
mod proxy;
mod pypi;
mod record;
mod registry;
mod registry_process;
mod registry_token;
mod reply;
mod request;
mod rest;
mod sandbox;
mod server;
mod session;
mod tarball;
mod tls;
mod token;
mod trap;
mod upload;
mod wheel;

pub use acr::{Acr, AcrBuilder, Role};
pub use address::Flavour;
pub use application::Application;
pub use artifact::Artifact;
pub use builder::Builder;
pub use fault::Fault;
pub use feed::Feed;
pub use gateway::{Entry, Gateway};
pub use library::Library;
pub use managed_identity::ManagedIdentity;
pub use nupkg::Nupkg;
pub use package::Package;
pub use package_server::PackageServer;
pub use protocol::Protocol;
pub use proxy::Proxy;
pub use record::Received;
pub use registry::Registry;
pub use sandbox::Sandbox;
pub use tarball::Tarball;
pub use token::Token;
pub use trap::Trap;
pub use upload::Upload;
pub use wheel::Wheel;
