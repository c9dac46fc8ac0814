//! The stand-in's state, and the way of a request through it: base, credential, route.

use std::{borrow::Cow, sync::Mutex};

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, Response, StatusCode, body::Bytes, body::Incoming, header, http::request::Parts,
};
use percent_encoding::percent_decode_str;

use crate::{
    address::{Addresses, below},
    feed::{Feed, guid, is},
    front::Front,
    packaging,
    reply::{self, SIGN_IN_PAGE},
    rest,
    server::{Body, Connection, Handler, HungUp},
    token::{Identity, Token, identify},
};

/// All that the sandbox knows.
pub(crate) struct Azure {
    pub(crate) addresses: Addresses,
    pub(crate) feeds: Vec<Feed>,
    pub(crate) projects: Vec<String>,
    pub(crate) tokens: Mutex<Vec<Token>>,
    /// The `locationUrl` of all resource areas, where it is not the sandbox's own.
    pub(crate) location: Option<String>,
    pub(crate) tenant: String,
    pub(crate) front: Front,
}

/// A request with its path taken apart.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) query: String,
    /// The host (and port) that the client meant.
    pub(crate) authority: String,
    /// The path of the base that it is below, with its trailing slash.
    pub(crate) base: String,
    /// The decoded segments below the base.
    pub(crate) segments: Vec<String>,
    below: String,
}

impl Request {
    /// The path as the client wrote it up to the segment `end` below the base, without a trailing slash.
    pub(crate) fn path_up_to(&self, end: usize) -> String {
        let segments: Vec<&str> = self.below.split('/').take(end).collect();
        format!("{}{}", self.base, segments.join("/"))
    }
}

impl Handler for Azure {
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        connection: &Connection,
    ) -> Result<Response<Body>, HungUp> {
        let inner = async |request: hyper::Request<Incoming>, number| {
            let (head, body) = request.into_parts();
            // A client that breaks off its body gets the answer to what came.
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            self.front.log.body(number, body.clone());
            self.route(head, body)
        };
        self.front.answer(request, connection, inner).await
    }
}

impl Azure {
    fn route(&self, head: Parts, body: Bytes) -> Response<Body> {
        let mut response = self.locate(head, body);
        // These mark any answer of Azure DevOps; clients tell it from other servers by them.
        for name in ["x-tfs-processid", "x-vss-e2eid"] {
            let id = guid(name).parse().expect("a GUID is a valid header value");
            response.headers_mut().insert(name, id);
        }
        response
    }

    fn locate(&self, head: Parts, body: Bytes) -> Response<Body> {
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        // A request that a proxy was to forward names the host in its target.
        let authority = head.uri.authority().map_or(host, |authority| authority.as_str()).to_lowercase();
        let path = head.uri.path();
        if path == "/_signin" {
            return reply::html(203, SIGN_IN_PAGE);
        }
        let found = self.addresses.bases(&authority).into_iter().find_map(|base| {
            let below = below(path, &base.path)?.to_owned();
            Some((base, below))
        });
        let Some((base, below)) = found else { return nothing_here() };
        let request = Request {
            query: head.uri.query().unwrap_or_default().to_owned(),
            method: head.method,
            headers: head.headers,
            body,
            authority,
            base: base.path,
            segments: below.split('/').map(decode).collect(),
            below,
        };
        // A project may stand before either; a project cannot be called like them.
        let root = |name: &str| request.segments.iter().take(2).position(|segment| is(segment, name));
        match (root("_apis"), root("_packaging")) {
            (Some(at), _) => rest::answer(self, &request, at),
            (None, Some(at)) if base.packages => packaging::answer(self, &request, at),
            _ => nothing_here(),
        }
    }

    /// The token of a request.
    pub(crate) fn identify(&self, request: &Request) -> Identity {
        identify(&request.headers, &self.tokens.lock().expect("no thread panics with the tokens"))
    }

    /// 401 with all that the service sends along.
    pub(crate) fn unauthorized(&self) -> Response<Body> {
        let message = "TF400813: The user '' is not authorized to access this resource.";
        let mut response =
            reply::service_error(StatusCode::UNAUTHORIZED, "UnauthorizedRequestException", message);
        let realm = format!("Basic realm=\"{}\"", self.addresses.packaging("sandbox"));
        for challenge in ["Bearer", realm.as_str(), "TFS-Federated"] {
            let challenge = challenge.parse().expect("a challenge is a valid header value");
            response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
        }
        let tenant = self.tenant.parse().expect("a tenant is a valid header value");
        response.headers_mut().insert("x-vss-resourcetenant", tenant);
        response
    }
}

/// 404 outside all routes.
pub(crate) fn nothing_here() -> Response<Body> {
    reply::service_error(StatusCode::NOT_FOUND, "NotFoundException", "There is nothing at this address.")
}

fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8().map_or_else(|_| segment.to_owned(), Cow::into_owned)
}
