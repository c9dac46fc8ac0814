//! The `NuGet` v3 protocol of a feed: service index, registrations, and the flat container of files.
//!
//! The service index names the other resources by ids, as the service does.

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    azure::nothing_here, nupkg::Nupkg, package::Package, packaging::FeedRequest, reply, server::Body,
};

/// Answers a request below `…/_packaging/{feed}/nuget/`.
pub(crate) fn answer(request: &FeedRequest) -> Response<Body> {
    let path = request.path().to_lowercase();
    let path: Vec<&str> = path.split('/').collect();
    let ["v3", path @ ..] = path.as_slice() else { return nothing_here() };
    match path {
        ["index.json"] => reply::json(200, &service_index(request)),
        ["registrations2", id, "index.json"] => answer_if_any(id, &versions(request, id), |versions| {
            reply::json(200, &registration(request, versions))
        }),
        ["flat2", id, "index.json"] => answer_if_any(id, &versions(request, id), |versions| {
            let versions: Vec<&str> = versions.iter().map(|one| one.version()).collect();
            reply::json(200, &json!({ "versions": versions }))
        }),
        ["flat2", id, version, file] => {
            let version = versions(request, id).into_iter().find(|one| one.version() == *version);
            match version {
                Some(one) if *file == file_name(one) => {
                    reply::text(200, "application/octet-stream", one.bytes().to_vec())
                }
                Some(one) if *file == format!("{id}.nuspec") => {
                    reply::text(200, "application/xml", one.nuspec())
                }
                _ => not_found(id),
            }
        }
        _ => nothing_here(),
    }
}

fn here(request: &FeedRequest) -> String {
    format!("{}{}/nuget/v3", request.origin, request.permalink)
}

fn service_index(request: &FeedRequest) -> Value {
    let here = here(request);
    let resource = |kind: &str, path: &str| json!({ "@id": format!("{here}/{path}/"), "@type": kind });
    json!({
        "version": "3.0.0",
        "resources": [
            resource("PackageBaseAddress/3.0.0", "flat2"),
            resource("RegistrationsBaseUrl/3.0.0-beta", "registrations2"),
            resource("RegistrationsBaseUrl/3.4.0", "registrations2"),
            resource("RegistrationsBaseUrl/3.6.0", "registrations2"),
        ],
    })
}

/// One page that holds all versions.
fn registration(request: &FeedRequest, versions: &[&Nupkg]) -> Value {
    let here = here(request);
    let id = versions[0].id().to_lowercase();
    let index = format!("{here}/registrations2/{id}/index.json");
    let leaves: Vec<Value> = versions
        .iter()
        .map(|one| {
            let content = format!("{here}/flat2/{id}/{}/{}", one.version(), file_name(one));
            let leaf = format!("{here}/registrations2/{id}/{}.json", one.version());
            json!({
                "@id": leaf,
                "packageContent": content,
                "catalogEntry": {
                    "@id": leaf, "id": one.id(), "version": one.version(), "listed": true,
                    "packageContent": content, "dependencyGroups": [],
                },
            })
        })
        .collect();
    let (lower, upper) = (versions[0].version(), versions[versions.len() - 1].version());
    json!({
        "@id": index,
        "count": 1,
        "items": [{
            "@id": format!("{index}#page"), "count": leaves.len(), "lower": lower, "upper": upper, "items": leaves,
        }],
    })
}

fn file_name(nupkg: &Nupkg) -> String {
    format!("{}.{}.nupkg", nupkg.id().to_lowercase(), nupkg.version())
}

fn versions<'a>(request: &FeedRequest<'a>, id: &str) -> Vec<&'a Nupkg> {
    let packages = request.feed.packages().iter();
    packages
        .filter_map(|package| match package {
            Package::Nupkg(nupkg) => Some(nupkg),
            _ => None,
        })
        .filter(|nupkg| nupkg.id().eq_ignore_ascii_case(id))
        .collect()
}

fn answer_if_any(
    id: &str,
    versions: &[&Nupkg],
    answer: impl FnOnce(&[&Nupkg]) -> Response<Body>,
) -> Response<Body> {
    if versions.is_empty() { not_found(id) } else { answer(versions) }
}

fn not_found(id: &str) -> Response<Body> {
    let message = format!("The package '{id}' could not be found in the feed.");
    reply::service_error(StatusCode::NOT_FOUND, "PackageNotFoundException", &message)
}
