//! The handle on a running stand-in.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_rustls::TlsAcceptor;

use crate::{
    address::Addresses, azure::Azure, builder::Builder, fault::Fault, feed::guid, protocol::Protocol,
    record::Received, server::Server, token::Token, upload::Upload,
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
        Builder::new()
    }

    /// Serves what `azure` knows, over TLS if there is a server side of it with its authority.
    pub(crate) fn serve(azure: Azure, tls: Option<(TlsAcceptor, String)>) -> Self {
        let azure = Arc::new(azure);
        let (acceptor, ca_pem) = tls.unzip();
        let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), acceptor, Arc::clone(&azure));
        Self { azure, server, ca_pem }
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
        self.feed_url(feed, Protocol::PyPi)
    }

    /// Where `feed` (as for [`Sandbox::index_url`]) speaks `protocol`.
    pub fn feed_url(&self, feed: &str, protocol: Protocol) -> String {
        let (project, feed) =
            feed.split_once('/').map_or((None, feed), |(project, feed)| (Some(project), feed));
        let encode = |name| utf8_percent_encode(name, COMPONENT).to_string();
        let project = project.map(|project| encode(project) + "/").unwrap_or_default();
        format!("{}{project}_packaging/{}/{}", self.packaging_url(), encode(feed), protocol.path())
    }

    /// Where the job asks for its id token: the variable `System.OidcRequestUri`.
    pub fn oidc_request_url(&self) -> String {
        let [project, plan, job] = ["project web", "plan", "job"].map(guid);
        format!(
            "{}{project}/_apis/distributedtask/hubs/build/plans/{plan}/jobs/{job}/oidctoken",
            self.collection_url()
        )
    }

    /// The base of the service that makes session tokens; a Server has none.
    pub fn authorization_url(&self) -> Option<String> {
        self.azure.addresses.authorization(&self.authority())
    }

    /// Entra's token endpoint for the sandbox's tenant, without the detour over Entra's host name.
    pub fn entra_url(&self) -> String {
        let Addresses { scheme, .. } = self.azure.addresses;
        format!("{scheme}://{}/{}/oauth2/v2.0/token", self.authority(), self.azure.tenant)
    }

    /// The tenant that the organization belongs to.
    pub fn tenant(&self) -> &str {
        &self.azure.tenant
    }

    /// The host names of the service and of Entra, which a [`Proxy`](crate::Proxy) can lead here.
    pub fn service_hosts(&self) -> Vec<String> {
        self.azure.addresses.service_hosts()
    }

    /// The value of the token registered first.
    pub fn token(&self) -> String {
        self.azure.tokens()[0].value().to_owned()
    }

    /// Accepts one more token from now on.
    pub fn add_token(&self, token: impl Into<Token>) {
        self.azure.add_token(token.into());
    }

    /// Refuses the token from now on, as after its expiry.
    pub fn revoke(&self, value: &str) {
        self.azure.tokens().retain(|token| token.value() != value);
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

    /// The id tokens, access tokens and session tokens that were made so far, in order.
    pub fn issued_tokens(&self) -> Vec<String> {
        self.azure.issued.all()
    }

    /// The packages that were uploaded so far, in order.
    pub fn uploads(&self) -> Vec<Upload> {
        self.azure.uploads.all()
    }
}
