//! The npm protocol of a feed: package documents and their files.
//!
//! A client may write the slash of a scoped name as `%2f` or as it is; both come here as one path.

use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    azure::nothing_here, feed::Feed, package::Package, packaging::FeedRequest, reply, server::Body,
    tarball::Tarball,
};

/// When every version was published: yarn holds back versions without a time, and young ones.
const PUBLISHED: &str = "2024-01-01T00:00:00.000Z";

/// Answers a request below `…/_packaging/{feed}/npm/`.
pub(crate) fn answer(request: &FeedRequest) -> Response<Body> {
    let Some(("registry", path)) = request.path().split_once('/').map(|(root, path)| (root, path.to_owned()))
    else {
        return nothing_here();
    };
    let tarballs = || tarballs(request.feed);
    if let Some((name, file)) = path.split_once("/-/") {
        let wanted = |one: &&Tarball| one.name() == name && one.file_name() == file;
        return match tarballs().find(wanted) {
            Some(tarball) => reply::text(200, "application/octet-stream", tarball.bytes().to_vec()),
            None => not_found(name),
        };
    }
    let versions: Vec<&Tarball> = tarballs().filter(|one| one.name() == path).collect();
    if !versions.is_empty() {
        return reply::json(200, &document(request, &path, &versions));
    }
    let one_version = tarballs().find(|one| format!("{}/{}", one.name(), one.version()) == path);
    one_version.map_or_else(|| not_found(&path), |one| reply::json(200, &manifest(request, one)))
}

fn tarballs(feed: &Feed) -> impl Iterator<Item = &Tarball> {
    feed.packages().iter().filter_map(|package| match package {
        Package::Tarball(tarball) => Some(tarball),
        _ => None,
    })
}

fn document(request: &FeedRequest, name: &str, tarballs: &[&Tarball]) -> Value {
    let mut times = json!({ "created": PUBLISHED, "modified": PUBLISHED });
    let mut versions = Map::new();
    for tarball in tarballs {
        times[tarball.version()] = PUBLISHED.into();
        versions.insert(tarball.version().to_owned(), manifest(request, tarball));
    }
    let latest = tarballs.last().expect("a document has a version").version();
    json!({
        "_id": name,
        "name": name,
        "dist-tags": { "latest": latest },
        "versions": versions,
        "time": times,
    })
}

fn manifest(request: &FeedRequest, tarball: &Tarball) -> Value {
    let FeedRequest { origin, address, .. } = request;
    tarball.manifest(&format!("{origin}{address}/npm/registry/{}/-/{}", tarball.name(), tarball.file_name()))
}

fn not_found(name: &str) -> Response<Body> {
    let message = format!("Package '{name}' is not found in feed.");
    reply::service_error(StatusCode::NOT_FOUND, "PackageNotFoundException", &message)
}
