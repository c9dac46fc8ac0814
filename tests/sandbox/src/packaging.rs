//! Feeds by URL: `{base}[{project}/]_packaging/{feed}[@{view}]/{protocol}/…`.
//!
//! Each protocol is a module with `answer`; this one finds the feed and checks the token, downloads included.

use hyper::{Method, Response, StatusCode, body::Bytes, header};

use crate::{
    azure::{Azure, nothing_here},
    cargo,
    feed::{Feed, VIEWS, is},
    maven, npm, nuget,
    package::Package,
    pypi,
    reply::service_error,
    request::Request,
    server::Body,
    token::Identity,
    upload::{self, Uploads},
    wheel::Wheel,
};

/// A request to one protocol of one feed, by somebody who may read it.
pub(crate) struct FeedRequest<'a> {
    pub(crate) method: &'a Method,
    pub(crate) content_type: &'a str,
    pub(crate) body: &'a Bytes,
    pub(crate) feed: &'a Feed,
    pub(crate) uploads: &'a Uploads,
    /// Whether who asks may publish, and who that is.
    pub(crate) writes: bool,
    pub(crate) user: &'a str,
    /// Scheme and authority that the client used.
    pub(crate) origin: String,
    /// The feed's path as the client wrote it, percent-encoded, without a trailing slash.
    pub(crate) address: String,
    /// The same with ids in the place of names.
    pub(crate) permalink: String,
    /// The decoded segments after the protocol; the last is empty if the path ends with a slash.
    pub(crate) rest: &'a [String],
}

impl FeedRequest<'_> {
    /// The decoded path after the protocol.
    pub(crate) fn path(&self) -> String {
        self.rest.join("/")
    }

    /// The feed's Python packages, with those that were uploaded.
    pub(crate) fn wheels(&self) -> Vec<Wheel> {
        let own = self.feed.packages().iter().filter_map(|package| match package {
            Package::Wheel(wheel) => Some(wheel.clone()),
            _ => None,
        });
        own.chain(self.uploads.wheels(&self.feed.path())).collect()
    }

    /// 403 for lack of a permission.
    pub(crate) fn forbid(&self, permission: &str) -> Response<Body> {
        forbidden(self.user, permission)
    }
}

/// Answers a request whose path below the base has `_packaging` at `at`.
pub(crate) fn answer(azure: &Azure, request: &Request, at: usize) -> Response<Body> {
    let token = match azure.identify(request) {
        Identity::Known(token) => token,
        // A package client is no browser: it gets 401 with or without `X-TFS-FedAuthRedirect`.
        Identity::Anonymous | Identity::Unknown => return azure.unauthorized(request),
    };
    let project = request.segments[..at].first().map(String::as_str);
    let Some([name, protocol, rest @ ..]) = request.segments.get(at + 1..) else {
        return feed_not_found("");
    };
    let (name, view) = name.split_once('@').map_or((name.as_str(), None), |(name, view)| (name, Some(view)));
    let Some(feed) = azure.feeds.iter().find(|feed| feed.is_in(project) && feed.is_called(name)) else {
        return feed_not_found(name);
    };
    let user = azure.user(&token);
    if !token.reads(feed) {
        return forbidden(&user, "ReadPackages");
    }
    if let Some(view) = view.filter(|view| !VIEWS.iter().any(|known| is(view, known))) {
        let message = format!("The view with ID '{view}' doesn't exist in feed '{name}'.");
        return service_error(StatusCode::NOT_FOUND, "FeedViewNotFoundException", &message);
    }
    let project = feed.project_id().map(|id| id + "/").unwrap_or_default();
    let feed_request = FeedRequest {
        method: &request.method,
        content_type: request.header(&header::CONTENT_TYPE),
        body: &request.body,
        feed,
        uploads: &azure.uploads,
        // A view is a selection of what was published; nothing is published to it.
        writes: token.writes() && view.is_none(),
        user: &user,
        origin: format!("{}://{}", azure.addresses.scheme, request.authority),
        address: request.path_up_to(at + 2),
        permalink: format!("{}{project}_packaging/{}", request.base, feed.id()),
        rest,
    };
    serve(protocol, &feed_request)
}

/// Answers a request in `protocol`, as the path names it.
pub(crate) fn serve(protocol: &str, request: &FeedRequest) -> Response<Body> {
    let protocol = protocol.to_lowercase();
    match (request.method, protocol.as_str(), request.rest) {
        (&Method::POST, "pypi", [upload] | [upload, _]) if upload == "upload" => upload::answer(request),
        (&Method::GET | &Method::HEAD, "pypi", _) => pypi::answer(request),
        (&Method::GET | &Method::HEAD, "npm", _) => npm::answer(request),
        (&Method::GET | &Method::HEAD, "nuget", _) => nuget::answer(request),
        (&Method::GET | &Method::HEAD, "maven", _) => maven::answer(request),
        (&Method::GET | &Method::HEAD, "cargo", _) => cargo::answer(request),
        (&Method::GET | &Method::HEAD, ..) => nothing_here(),
        _ => service_error(
            StatusCode::METHOD_NOT_ALLOWED,
            "NotSupportedException",
            "This end of the feed is read-only.",
        ),
    }
}

fn forbidden(user: &str, permission: &str) -> Response<Body> {
    let message =
        format!("User '{user}' lacks permission to complete this action. You need to have '{permission}'.");
    service_error(StatusCode::FORBIDDEN, "FeedNeedsPermissionsException", &message)
}

fn feed_not_found(name: &str) -> Response<Body> {
    let message = format!("The feed with ID '{name}' doesn't exist.");
    service_error(StatusCode::NOT_FOUND, "FeedIdNotFoundException", &message)
}
