//! The sparse index of a feed, and its crates.

use hyper::{Response, StatusCode};
use serde_json::json;

use crate::{
    azure::nothing_here, library::Library, package::Package, packaging::FeedRequest, reply, server::Body,
};

/// Answers a request below `…/_packaging/{feed}/Cargo/`.
pub(crate) fn answer(request: &FeedRequest) -> Response<Body> {
    let libraries = || {
        request.feed.packages().iter().filter_map(|package| match package {
            Package::Library(library) => Some(library),
            _ => None,
        })
    };
    let path = request.path();
    if path == "index/config.json" {
        let here = format!("{}{}/Cargo", request.origin, request.address);
        let config = json!({
            "dl": format!("{here}/download/{{crate}}/{{version}}"), "api": here, "auth-required": true,
        });
        return reply::json(200, &config);
    }
    if let Some(path) = path.strip_prefix("index/") {
        let versions = libraries().filter(|one| one.index_path() == path);
        let lines = versions.fold(String::new(), |lines, one| lines + &one.index_entry().to_string() + "\n");
        return if lines.is_empty() { not_found(path) } else { reply::text(200, "text/plain", lines) };
    }
    let Some(path) = path.strip_prefix("download/") else { return nothing_here() };
    let wanted = |one: &&Library| format!("{}/{}", one.name(), one.version()) == path;
    match libraries().find(wanted) {
        Some(library) => reply::text(200, "application/gzip", library.bytes().to_vec()),
        None => not_found(path),
    }
}

fn not_found(name: &str) -> Response<Body> {
    let message = format!("The crate '{name}' could not be found in the feed.");
    reply::service_error(StatusCode::NOT_FOUND, "PackageNotFoundException", &message)
}
