//! A real container registry with a password, behind a front that records and can be told to fail.
//!
//! The registry is Debian's `docker-registry` (2.8); the front passes everything through unless a fault is due.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, header::HeaderValue};
use serde_json::{Value, json};

use crate::{
    fault::Fault,
    front::Front,
    proxy::forward,
    record::Received,
    registry_process::RegistryProcess,
    reply,
    server::{Body, Connection, Handler, HungUp, Server},
    tls,
};

/// This machine, to clients; docker has no exception for it.
const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// The cheapest cost that bcrypt has: what is hashed here is no secret.
const BCRYPT_COST: u32 = 4;

/// A running registry; its process and its data end when it is dropped.
pub struct Registry {
    relay: Arc<Relay>,
    server: Server,
    process: RegistryProcess,
    user: String,
    password: String,
    ca_pem: Option<String>,
}

struct Relay {
    registry: SocketAddr,
    scheme: &'static str,
    front: Front,
}

impl Registry {
    /// Starts `binary` on a random port of 127.0.0.1, open to this user name and password only.
    pub fn start(binary: &Path, user: &str, password: &str) -> Self {
        Self::open(binary, user, password, false)
    }

    /// Starts one that speaks TLS with a certificate of a private authority.
    ///
    /// It is reached as 0.0.0.0, which leads to this machine as 127.0.0.1 does; docker lets registries of 127.0.0.0/8 pass
    /// with any certificate.
    pub fn start_tls(binary: &Path, user: &str, password: &str) -> Self {
        Self::open(binary, user, password, true)
    }

    fn open(binary: &Path, user: &str, password: &str, speaks_tls: bool) -> Self {
        let process = RegistryProcess::start(binary, |folder| htpasswd(folder, user, password));
        let (acceptor, ca_pem) = speaks_tls.then(|| tls::acceptor(vec![ANY.to_string()])).unzip();
        let scheme = if speaks_tls { "https" } else { "http" };
        let relay = Arc::new(Relay { registry: process.address(), scheme, front: Front::default() });
        let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), acceptor, Arc::clone(&relay));
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { relay, server, process, user, password, ca_pem }
    }

    /// Host and port, as image references begin.
    pub fn host(&self) -> String {
        let address = self.server.address();
        let ip = if self.ca_pem.is_some() { ANY } else { Ipv4Addr::LOCALHOST };
        format!("{ip}:{}", address.port())
    }

    /// The private certificate authority of a registry that speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
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
        self.process.log()
    }

    /// The folder of its configuration and its data, blobs included.
    pub fn folder(&self) -> &Path {
        self.process.folder()
    }
}

impl Handler for Relay {
    async fn answer(
        &self,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response<Body>, HungUp> {
        let pass = async |request, _| pass_on(self.registry, self.scheme, request).await;
        self.front.answer(request, connection, pass).await
    }
}

/// Hands a request on to a registry, which makes its own URLs of the host and the scheme that the client uses.
pub(crate) async fn pass_on(
    registry: SocketAddr,
    scheme: &'static str,
    mut request: Request<Incoming>,
) -> Response<Body> {
    request.headers_mut().insert("x-forwarded-proto", HeaderValue::from_static(scheme));
    forward(registry, request).await.unwrap_or_else(|error| reply::html(502, error.to_string()))
}

/// Writes the password file into `folder` and has the registry read it.
fn htpasswd(folder: &Path, user: &str, password: &str) -> Value {
    let passwords = folder.join("htpasswd");
    let hash = bcrypt::hash(password, BCRYPT_COST).expect("bcrypt takes any password without a null byte");
    fs::write(&passwords, format!("{user}:{hash}\n")).expect("the temporary folder is writable");
    json!({ "htpasswd": { "realm": "registry", "path": passwords } })
}
