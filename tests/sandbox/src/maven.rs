//! The Maven repository of a feed, which Gradle reads too: POMs, jars, metadata, and the SHA-1 of each.

use std::fmt::Write as _;

use hyper::{Response, StatusCode};
use sha1::{Digest, Sha1};

use crate::{
    artifact::Artifact, azure::nothing_here, feed::hex, package::Package, packaging::FeedRequest, reply,
    server::Body,
};

/// Answers a request below `…/_packaging/{feed}/maven/`.
pub(crate) fn answer(request: &FeedRequest) -> Response<Body> {
    let path = request.path();
    let Some(path) = path.strip_prefix("v1/") else { return nothing_here() };
    let file = match path.strip_suffix(".sha1") {
        Some(path) => file(request, path).map(|bytes| hex(&Sha1::digest(&bytes)).into_bytes()),
        None => file(request, path),
    };
    let Some(bytes) = file else {
        let message = format!("The file '{path}' could not be found in the feed.");
        return reply::service_error(StatusCode::NOT_FOUND, "PackageNotFoundException", &message);
    };
    reply::text(200, "application/octet-stream", bytes)
}

/// The file at `path`, other than a checksum.
fn file(request: &FeedRequest, path: &str) -> Option<Vec<u8>> {
    let artifacts = || {
        request.feed.packages().iter().filter_map(|package| match package {
            Package::Artifact(artifact) => Some(artifact),
            _ => None,
        })
    };
    if let Some(folder) = path.strip_suffix("/maven-metadata.xml") {
        let versions: Vec<&Artifact> = artifacts().filter(|one| module(one) == folder).collect();
        return (!versions.is_empty()).then(|| metadata(&versions).into_bytes());
    }
    artifacts().find_map(|one| {
        let stem = format!("{}/{}/{}-{}", module(one), one.version(), one.name(), one.version());
        match path.strip_prefix(&stem)? {
            ".pom" => Some(one.pom().into_bytes()),
            ".jar" => Some(one.jar().to_vec()),
            _ => None,
        }
    })
}

/// The folder of an artifact's versions.
fn module(artifact: &Artifact) -> String {
    format!("{}/{}", artifact.group().replace('.', "/"), artifact.name())
}

fn metadata(artifacts: &[&Artifact]) -> String {
    let last = artifacts.last().expect("there is metadata only where there is an artifact");
    let versions = artifacts.iter().fold(String::new(), |mut versions, one| {
        let _ = write!(versions, "<version>{}</version>", one.version());
        versions
    });
    let (group, name, latest) = (last.group(), last.name(), last.version());
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <metadata><groupId>{group}</groupId><artifactId>{name}</artifactId><versioning>\
         <latest>{latest}</latest><release>{latest}</release><versions>{versions}</versions>\
         <lastUpdated>20240101000000</lastUpdated></versioning></metadata>\n"
    )
}
