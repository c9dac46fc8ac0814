//! The PyPI protocol of a feed: a simple index (PEP 503) and its files.
//!
//! Hrefs are path-absolute and name feed and project by id, so that they hold under any host name
//! and a client that compares texts instead of asking is found out.

use std::fmt::Write as _;

use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::{
    azure::nothing_here, packaging::FeedRequest, reply, rest::route, server::Body, wheel::normalize,
};

/// The routes that `OPTIONS {base}_apis/pypi` lists.
pub(crate) fn routes() -> Vec<Value> {
    vec![
        route(
            "93377a2c-f5fb-48b9-a8dc-7781441cabf1",
            "pypi",
            "simple",
            "{project}/_packaging/{feed}/pypi/{resource}",
        ),
        route(
            "c7a75c1b-08ac-4b11-b468-6c7ef835c85e",
            "pypi",
            "upload",
            "{project}/_packaging/{feed}/pypi/{resource}",
        ),
    ]
}

/// Answers a request below `…/_packaging/{feed}/pypi/`.
pub(crate) fn answer(request: &FeedRequest) -> Response<Body> {
    let path: Vec<&str> = request.rest.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["simple"] => reply::redirect(301, &format!("{}/simple/", here(request))),
        ["simple", ""] => index(request),
        ["simple", name, ""] if *name == normalize(name) => project(request, name),
        // As the public index does: one canonical URL per project page.
        ["simple", name] | ["simple", name, ""] => {
            reply::redirect(301, &format!("{}/simple/{}/", here(request), normalize(name)))
        }
        ["download", name, version, file] => download(request, name, version, file),
        _ => nothing_here(),
    }
}

fn here(request: &FeedRequest) -> String {
    format!("{}/pypi", request.address)
}

fn index(request: &FeedRequest) -> Response<Body> {
    let mut names: Vec<String> = request.wheels().iter().map(|wheel| wheel.name().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    page("Simple index", names.into_iter().map(|name| (format!("{name}/"), name)))
}

fn project(request: &FeedRequest, name: &str) -> Response<Body> {
    let mut wheels = request.wheels();
    wheels.retain(|wheel| wheel.name() == name);
    if wheels.is_empty() {
        return not_found(name);
    }
    let links = wheels.iter().map(|wheel| {
        let (version, file) = (wheel.version(), wheel.file_name());
        let href = format!("{}/pypi/download/{name}/{version}/{file}", request.permalink);
        (format!("{href}#sha256={}", wheel.sha256()), file.to_owned())
    });
    page(&format!("Links for {name}"), links)
}

fn download(request: &FeedRequest, name: &str, version: &str, file: &str) -> Response<Body> {
    let mut wheels = request.wheels();
    wheels.retain(|wheel| wheel.name() == name && wheel.version() == version && wheel.file_name() == file);
    match wheels.first() {
        Some(wheel) => reply::text(200, "application/octet-stream", wheel.bytes().to_vec()),
        None => not_found(name),
    }
}

fn page(title: &str, links: impl Iterator<Item = (String, String)>) -> Response<Body> {
    let mut html = format!("<!DOCTYPE html>\n<html><head><title>{title}</title></head><body>\n");
    for (href, text) in links {
        let _ = writeln!(html, "<a href=\"{href}\">{text}</a><br/>");
    }
    html += "</body></html>\n";
    reply::html(200, html)
}

fn not_found(name: &str) -> Response<Body> {
    let message = format!("The package '{name}' could not be found in the feed.");
    reply::service_error(StatusCode::NOT_FOUND, "PackageNotFoundException", &message)
}
