//! A request, read whole and with its path taken apart.

use std::borrow::Cow;

use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method,
    body::{Bytes, Incoming},
    header::{self, HeaderName},
};
use percent_encoding::percent_decode_str;

use crate::{feed::is, record::Log};

/// A request to a server that reads it whole.
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
    /// Reads request `number` of `log`, and adds its body there. Its base is the root.
    pub(crate) async fn read(request: hyper::Request<Incoming>, number: usize, log: &Log) -> Self {
        let (head, body) = request.into_parts();
        // A client that breaks off its body gets the answer to what came.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        log.body(number, body.clone());
        let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        // A request that a proxy was to forward names the host in its target.
        let authority = head.uri.authority().map_or(host, |authority| authority.as_str()).to_lowercase();
        let path = head.uri.path().trim_start_matches('/');
        Self {
            query: head.uri.query().unwrap_or_default().to_owned(),
            authority,
            base: "/".to_owned(),
            segments: path.split('/').map(decode).collect(),
            below: path.to_owned(),
            method: head.method,
            headers: head.headers,
            body,
        }
    }

    /// Takes this for the base, if it is one; names of Azure DevOps have any case.
    pub(crate) fn go_below(&mut self, base: &str) -> bool {
        let path = format!("{}{}", self.base, self.below);
        match path.split_at_checked(base.len()) {
            Some((start, below)) if start.eq_ignore_ascii_case(base) => {
                self.segments = below.split('/').map(decode).collect();
                (self.base, self.below) = (base.to_owned(), below.to_owned());
                true
            }
            _ => false,
        }
    }

    /// The path as the client wrote it up to the segment `end` below the base, without a trailing slash.
    pub(crate) fn path_up_to(&self, end: usize) -> String {
        let segments: Vec<&str> = self.below.split('/').take(end).collect();
        format!("{}{}", self.base, segments.join("/"))
    }

    /// A header field's value as text; a missing one is empty.
    pub(crate) fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A decoded parameter of the query, whose name has any case.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = form_urlencoded::parse(self.query.as_bytes());
        parameters.find(|(one, _)| is(one, name)).map(|(_, value)| value.into_owned())
    }
}

fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8().map_or_else(|_| segment.to_owned(), Cow::into_owned)
}
