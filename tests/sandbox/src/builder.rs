//! What a sandbox is to be, before it starts.

use std::{sync::Mutex, time::Duration};

use hyper::Method;

use crate::{
    address::{Addresses, Flavour},
    application::Application,
    azure::Azure,
    feed::{Feed, guid},
    front::Front,
    issued::Issued,
    sandbox::Sandbox,
    tls,
    token::Token,
    upload::Uploads,
};

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
    tenant_method: Option<Method>,
    authorization: Option<String>,
    connections: Vec<String>,
    applications: Vec<Application>,
    id_token_life: Duration,
    longest_session: Duration,
    tls: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            org: "contoso".to_owned(),
            flavour: Flavour::Services,
            feeds: Vec::new(),
            projects: Vec::new(),
            tokens: Vec::new(),
            location: None,
            tenant: guid("tenant"),
            tenant_method: None,
            authorization: None,
            connections: Vec::new(),
            applications: Vec::new(),
            id_token_life: Duration::from_mins(10),
            longest_session: Duration::from_hours(24),
            tls: false,
        }
    }

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

    /// Says so only in answer to requests with this method (`HEAD` or `GET`).
    pub fn tenant_only_on(mut self, method: &str) -> Self {
        self.tenant_method = Some(method.parse().expect("the method is a word"));
        self
    }

    /// Says this in `X-VSS-AuthorizationEndpoint`.
    pub fn authorization_endpoint(mut self, url: &str) -> Self {
        self.authorization = Some(url.to_owned());
        self
    }

    /// Gives the job id tokens for one more service connection, by its id.
    pub fn service_connection(mut self, id: &str) -> Self {
        self.connections.push(id.to_owned());
        self
    }

    /// Has one more application in its tenant, and gives the job id tokens for its service connection.
    pub fn application(mut self, application: Application) -> Self {
        self.connections.push(application.connection().to_owned());
        self.applications.push(application);
        self
    }

    /// Id tokens live this long instead of ten minutes.
    pub fn id_token_life(mut self, life: Duration) -> Self {
        self.id_token_life = life;
        self
    }

    /// Session tokens live this long at most instead of a day; who asks for more gets 400.
    pub fn longest_session(mut self, life: Duration) -> Self {
        self.longest_session = life;
        self
    }

    /// Speaks TLS, with a certificate of a private authority for loopback, the service's host names and Entra's.
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
        let tls = self.tls.then(|| {
            let loopback = ["127.0.0.1", "127.0.0.2", "localhost"].map(str::to_owned);
            tls::acceptor(addresses.service_hosts().into_iter().chain(loopback).collect())
        });
        let azure = Azure {
            addresses,
            feeds: self.feeds,
            projects: self.projects,
            tokens: Mutex::new(self.tokens),
            location: self.location,
            tenant: self.tenant,
            tenant_method: self.tenant_method,
            authorization: self.authorization,
            connections: self.connections,
            applications: self.applications,
            id_token_life: self.id_token_life,
            longest_session: self.longest_session,
            issued: Issued::default(),
            uploads: Uploads::default(),
            front: Front::default(),
        };
        Sandbox::serve(azure, tls)
    }
}
