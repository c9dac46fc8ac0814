//! The handle on a running stand-in.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    address::{Addresses, Flavour},
    azure::Azure,
    fault::Fault,
    feed::{Feed, guid},
    front::Front,
    record::Received,
    server::Server,
    tls,
    token::Token,
};

/// What `encodeURIComponent` of JavaScript encodes, which the service's own clients use.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A running stand-in; it ends when it is dropped.
pub struct Sandbox {
    azure: Arc<Azure>,
    server: Server,
    ca_pem: Option<String>,
}

impl Sandbox {
    /// A stand-in for Azure DevOps Services, organization `contoso`, without feeds.
    pub fn builder() -> Builder {
        Builder {
            org: "contoso".to_owned(),
            flavour: Flavour::Services,
            feeds: Vec::new(),
            projects: Vec::new(),
            tokens: Vec::new(),
            location: None,
            tenant: guid("tenant"),
            tls: false,
        }
    }

    /// Host and port.
    pub fn authority(&self) -> String {
        self.server.address().to_string()
    }

    /// The collection URL, as the agent gives it to a task.
    pub fn collection_url(&self) -> String {
        self.azure.addresses.collection(&self.authority())
    }

    /// The base below which feeds are served (whatever resource areas say).
    pub fn packaging_url(&self) -> String {
        self.azure.addresses.packaging(&self.authority())
    }

    /// The simple index of `feed` (`feed` or `project/feed`, with `@view` or without).
    pub fn index_url(&self, feed: &str) -> String {
        let (project, feed) =
            feed.split_once('/').map_or((None, feed), |(project, feed)| (Some(project), feed));
        let encode = |name| utf8_percent_encode(name, COMPONENT).to_string();
        let project = project.map(|project| encode(project) + "/").unwrap_or_default();
        format!("{}{project}_packaging/{}/pypi/simple/", self.packaging_url(), encode(feed))
    }

    /// The value of the token registered first.
    pub fn token(&self) -> String {
        self.tokens()[0].value().to_owned()
    }

    /// Accepts one more token from now on.
    pub fn add_token(&self, token: impl Into<Token>) {
        self.tokens().push(token.into());
    }

    /// Refuses the token from now on, as after its expiry.
    pub fn revoke(&self, value: &str) {
        self.tokens().retain(|token| token.value() != value);
    }

    /// The private certificate authority of a sandbox that speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Lets the next `count` requests for `pattern` meet `fault` (`usize::MAX`: all of them).
    pub fn fault(&self, pattern: &str, fault: Fault, count: usize) {
        self.azure.front.faults.add(pattern, fault, 0, count);
    }

    /// Lets only the `nth` request (from 1) for `pattern` from now on meet `fault`.
    pub fn fault_nth(&self, pattern: &str, nth: usize, fault: Fault) {
        self.azure.front.faults.add(pattern, fault, nth - 1, 1);
    }

    /// How many ordered faults no request has met yet.
    pub fn faults_left(&self) -> usize {
        self.azure.front.faults.left()
    }

    /// Takes back all faults.
    pub fn clear_faults(&self) {
        self.azure.front.faults.clear();
    }

    /// Adds `latency` to every request from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.azure.front.set_latency(latency);
    }

    /// All requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.azure.front.log.all()
    }

    /// The requests so far that match `pattern`.
    pub fn requests_to(&self, pattern: &str) -> Vec<Received> {
        self.azure.front.log.matching(pattern)
    }

    /// Waits until `count` requests for `pattern` have arrived, and panics after `deadline`.
    pub fn wait_for(&self, pattern: &str, count: usize, deadline: Duration) -> Vec<Received> {
        self.azure.front.log.wait_for(pattern, count, deadline)
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, Vec<Token>> {
        self.azure.tokens.lock().expect("no thread panics with the tokens")
    }
}

/// What a sandbox is to be.
#[must_use]
pub struct Builder {
    org: String,
    flavour: Flavour,
    feeds: Vec<Feed>,
    projects: Vec<String>,
    tokens: Vec<Token>,
    location: Option<String>,
    tenant: String,
    tls: bool,
}

impl Builder {
    /// The organization's name.
    pub fn org(mut self, name: &str) -> Self {
        name.clone_into(&mut self.org);
        self
    }

    /// Stands in for this product.
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// Accepts one more token. Without any, `sandbox-job-token` is accepted.
    pub fn token(mut self, token: impl Into<Token>) -> Self {
        self.tokens.push(token.into());
        self
    }

    /// Has one more feed.
    pub fn feed(mut self, feed: Feed) -> Self {
        self.feeds.push(feed);
        self
    }

    /// Has one more project (the projects of feeds exist anyway).
    pub fn project(mut self, name: &str) -> Self {
        self.projects.push(name.to_owned());
        self
    }

    /// Says this `locationUrl` for every resource area.
    pub fn location_url(mut self, url: &str) -> Self {
        self.location = Some(url.to_owned());
        self
    }

    /// Says this in `X-VSS-ResourceTenant`.
    pub fn tenant(mut self, id: &str) -> Self {
        id.clone_into(&mut self.tenant);
        self
    }

    /// Speaks TLS, with a certificate of a private authority for loopback and the service's host names.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Starts on a random port of 127.0.0.1.
    pub fn start(mut self) -> Sandbox {
        if self.tokens.is_empty() {
            self.tokens.push(Token::new("sandbox-job-token"));
        }
        let scheme = if self.tls { "https" } else { "http" };
        let addresses = Addresses { scheme, org: self.org, flavour: self.flavour };
        let (acceptor, ca_pem) = if self.tls {
            let loopback = ["127.0.0.1", "127.0.0.2", "localhost"].map(str::to_owned);
            let (acceptor, pem) =
                tls::acceptor(addresses.service_hosts().into_iter().chain(loopback).collect());
            (Some(acceptor), Some(pem))
        } else {
            (None, None)
        };
        let azure = Arc::new(Azure {
            addresses,
            feeds: self.feeds,
            projects: self.projects,
            tokens: Mutex::new(self.tokens),
            location: self.location,
            tenant: self.tenant,
            front: Front::default(),
        });
        let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), acceptor, Arc::clone(&azure));
        Sandbox { azure, server, ca_pem }
    }
}
