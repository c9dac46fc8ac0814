//! A package server of another company, for service connections: every protocol of a feed, and nothing of Azure DevOps.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use hyper::{
    Response,
    body::Incoming,
    header::{self, HeaderValue},
};

use crate::{
    azure::nothing_here,
    fault::Fault,
    feed::Feed,
    front::Front,
    packaging::{FeedRequest, serve},
    protocol::Protocol,
    record::Received,
    reply,
    request::Request,
    server::{Body, Connection, Handler, HungUp, Server},
    token::{Identity, Token, identify},
    upload::{Upload, Uploads},
};

/// The path below which the packages are.
const ROOT: &str = "/packages";

/// A running package server; it ends when it is dropped.
pub struct PackageServer {
    shop: Arc<Shop>,
    server: Server,
}

struct Shop {
    feed: Feed,
    token: Token,
    uploads: Uploads,
    front: Front,
}

impl PackageServer {
    /// Starts on a random port of 127.0.0.1, with the packages of `feed`, open to `token` only: [`Token::password`] for
    /// a user name and a password, [`Token::new`] for a token that is good as Bearer too.
    pub fn start(feed: Feed, token: impl Into<Token>) -> Self {
        let (uploads, front) = (Uploads::default(), Front::default());
        let shop = Arc::new(Shop { feed, token: token.into(), uploads, front });
        let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), None, Arc::clone(&shop));
        Self { shop, server }
    }

    /// Host and port.
    pub fn authority(&self) -> String {
        self.server.address().to_string()
    }

    /// Where it speaks `protocol`.
    pub fn url(&self, protocol: Protocol) -> String {
        format!("http://{}{ROOT}/{}", self.authority(), protocol.path())
    }

    /// Lets the next `count` requests for `pattern` meet `fault` (`usize::MAX`: all of them).
    pub fn fault(&self, pattern: &str, fault: Fault, count: usize) {
        self.shop.front.faults.add(pattern, fault, 0, count);
    }

    /// Adds `latency` to every request from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.shop.front.set_latency(latency);
    }

    /// All requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<Received> {
        self.shop.front.log.all()
    }

    /// The packages that were uploaded so far, in order.
    pub fn uploads(&self) -> Vec<Upload> {
        self.shop.uploads.all()
    }
}

impl Handler for Shop {
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response<Body>, HungUp> {
        let inner = async |request: hyper::Request<Incoming>, number| {
            self.route(Request::read(request, number, &self.front.log).await)
        };
        self.front.answer(request, connection, inner).await
    }
}

impl Shop {
    fn route(&self, mut request: Request) -> Response<Body> {
        let identity = identify(&request.headers, std::slice::from_ref(&self.token));
        if !matches!(identity, Identity::Known(_)) {
            let mut response = reply::html(401, "Unauthorized");
            let challenge = HeaderValue::from_static("Basic realm=\"packages\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            return response;
        }
        if !request.go_below(&format!("{ROOT}/")) {
            return nothing_here();
        }
        let [protocol, rest @ ..] = request.segments.as_slice() else { return nothing_here() };
        let feed_request = FeedRequest {
            method: &request.method,
            content_type: request.header(&header::CONTENT_TYPE),
            body: &request.body,
            feed: &self.feed,
            uploads: &self.uploads,
            writes: self.token.writes(),
            user: self.token.owner().unwrap_or("user"),
            origin: format!("http://{}", request.authority),
            address: ROOT.to_owned(),
            permalink: ROOT.to_owned(),
            rest,
        };
        serve(protocol, &feed_request)
    }
}
