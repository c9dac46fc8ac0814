//! Feeds by URL: `{base}[{project}/]_packaging/{feed}[@{view}]/{protocol}/…`.
//!
//! Each protocol is a module with `routes` and `answer`; this one finds the feed and checks the token.

use hyper::{Method, Response, StatusCode, body::Bytes};

use crate::{
    azure::{Azure, Request, nothing_here},
    feed::{Feed, VIEWS, is},
    pypi,
    reply::service_error,
    server::Body,
    token::Identity,
};

/// A request to one protocol of one feed.
pub(crate) struct FeedRequest<'a> {
    pub(crate) method: &'a Method,
    /// The body, for protocols that publish.
    #[expect(dead_code, reason = "the protocols that are served so far only read")]
    pub(crate) body: &'a Bytes,
    pub(crate) feed: &'a Feed,
    /// The packaging base's path, with its trailing slash.
    pub(crate) base: &'a str,
    /// The feed's path as the client wrote it, percent-encoded, without a trailing slash.
    pub(crate) address: String,
    /// The decoded segments after the protocol; the last is empty if the path ends with a slash.
    pub(crate) rest: &'a [String],
}

impl FeedRequest<'_> {
    /// The feed's path below the base with ids in the place of names.
    pub(crate) fn feed_path_by_id(&self) -> String {
        let project = self.feed.project_id().map(|id| id + "/").unwrap_or_default();
        format!("{project}_packaging/{}", self.feed.id())
    }
}

/// Answers a request whose path below the base has `_packaging` at `at`.
pub(crate) fn answer(azure: &Azure, request: &Request, at: usize) -> Response<Body> {
    let token = match azure.identify(request) {
        Identity::Known(token) => token,
        // A package client is no browser: it gets 401 with or without `X-TFS-FedAuthRedirect`.
        Identity::Anonymous | Identity::Unknown => return azure.unauthorized(),
    };
    let project = request.segments[..at].first().map(String::as_str);
    let Some([name, protocol, rest @ ..]) = request.segments.get(at + 1..) else {
        return feed_not_found("");
    };
    let (name, view) = name.split_once('@').map_or((name.as_str(), None), |(name, view)| (name, Some(view)));
    let Some(feed) = azure.feeds.iter().find(|feed| feed.is_in(project) && feed.is_called(name)) else {
        return feed_not_found(name);
    };
    if !token.reads(feed) {
        let message = format!(
            "User 'Project Collection Build Service ({})' lacks permission to complete this action. \
             You need to have 'ReadPackages'.",
            azure.addresses.org
        );
        return service_error(StatusCode::FORBIDDEN, "FeedNeedsPermissionsException", &message);
    }
    if let Some(view) = view.filter(|view| !VIEWS.iter().any(|known| is(view, known))) {
        let message = format!("The view with ID '{view}' doesn't exist in feed '{name}'.");
        return service_error(StatusCode::NOT_FOUND, "FeedViewNotFoundException", &message);
    }
    let feed_request = FeedRequest {
        method: &request.method,
        body: &request.body,
        feed,
        base: &request.base,
        address: request.path_up_to(at + 2),
        rest,
    };
    match protocol.to_lowercase().as_str() {
        "pypi" => pypi::answer(&feed_request),
        _ => nothing_here(),
    }
}

fn feed_not_found(name: &str) -> Response<Body> {
    let message = format!("The feed with ID '{name}' doesn't exist.");
    service_error(StatusCode::NOT_FOUND, "FeedIdNotFoundException", &message)
}
