//! The REST interface below `{base}[{project}/]_apis/`.

use hyper::{Method, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::{
    address::Base,
    azure::{Azure, nothing_here},
    feed::{Feed, guid, is},
    oidc, pypi,
    reply::{self, SIGN_IN_PAGE, service_error},
    request::Request,
    server::Body,
    session,
    token::{Identity, Token},
};

/// The resource areas: names and ids.
const AREAS: [(&str, &str); 7] = [
    ("NuGet", "b3be7473-68ea-4a81-bfc7-9530baaa19ad"),
    ("npm", "4c83cfc1-f33a-477e-a789-29d38ffca52e"),
    ("Maven", "6f7f8c07-ff36-473c-bcf3-bd6cc9b6c066"),
    ("PyPI", "92f0314b-06c5-46e0-abe7-15fd9d13276a"),
    ("Cargo", "71f96160-8701-4914-aed9-c44b89f20ccd"),
    ("Feed", "7ab4e64e-c4d8-4f50-ae73-5ef2e21642a5"),
    ("BlobStore", "5294ef93-12a1-4d13-8671-9d9d014072c8"),
];

/// Answers a request whose path below `base` has `_apis` at `at`.
pub(crate) fn answer(azure: &Azure, request: &Request, base: &Base, at: usize) -> Response<Body> {
    let token = match azure.identify(request) {
        Identity::Known(token) => token,
        refused => return refuse(azure, request, &refused),
    };
    let project = request.segments[..at].first().map(String::as_str);
    let path: Vec<String> = request.segments[at + 1..]
        .iter()
        .filter(|segment| !segment.is_empty())
        .map(|one| one.to_lowercase())
        .collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (&request.method, path.as_slice()) {
        (&Method::OPTIONS, area) => routes(area),
        (&Method::GET, ["resourceareas", ..] | ["connectiondata"]) if !preview(request) => {
            let message = "The requested version of the resource is under preview. The -preview flag must be \
                           supplied in the api-version for such requests.";
            service_error(StatusCode::BAD_REQUEST, "VssInvalidPreviewVersionException", message)
        }
        (&Method::GET, ["resourceareas"]) => list(&AREAS.map(|area| resource_area(azure, request, area))),
        (&Method::GET, ["resourceareas", id]) => match AREAS.iter().find(|area| area.1 == *id) {
            Some(area) => reply::json(200, &resource_area(azure, request, *area)),
            // The service answers an unknown area with null; its client libraries take that for "not present".
            None => reply::json(200, &Value::Null),
        },
        (&Method::GET, ["connectiondata"]) => reply::json(200, &connection_data(azure, request, &token)),
        (&Method::GET, ["packaging", "feeds"]) => feeds(azure, &token, project, feed_item),
        (&Method::GET, ["packaging", "feedids"]) => feeds(azure, &token, project, feed_id_item),
        (&Method::POST, ["distributedtask", "hubs", _, "plans", _, "jobs", _, "oidctoken"]) => {
            oidc::answer(azure, request, &token)
        }
        (&Method::POST, ["deployment", "imagedetails"]) if project.is_some() => image_details(request),
        (&Method::POST, ["token", "sessiontokens"]) if base.sessions => {
            session::answer(azure, request, &token)
        }
        _ => nothing_here(),
    }
}

/// Takes the record of an image; tests find it in the requests.
fn image_details(request: &Request) -> Response<Body> {
    let refuse = |message: &str| service_error(StatusCode::BAD_REQUEST, "InvalidRequestException", message);
    if !preview(request) {
        return refuse("The requested version of the resource is under preview.");
    }
    let record: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !record["hash"].as_str().is_some_and(is_hash) || !record["imageUri"].is_string() {
        return refuse("The image details name no image.");
    }
    reply::json(200, &record)
}

/// One entry of a location table.
pub(crate) fn route(id: &str, area: &str, resource: &str, template: &str) -> Value {
    json!({
        "id": id, "area": area, "resourceName": resource, "routeTemplate": template, "resourceVersion": 1,
        "minVersion": "1.0", "maxVersion": "7.2", "releasedVersion": "7.1",
    })
}

/// A client that does not say `X-TFS-FedAuthRedirect: Suppress` is taken for a browser.
fn refuse(azure: &Azure, request: &Request, identity: &Identity) -> Response<Body> {
    let suppress = request.headers.get("x-tfs-fedauthredirect");
    if suppress.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"suppress")) {
        return azure.unauthorized(request);
    }
    let page = match identity {
        Identity::Anonymous => reply::redirect(302, "/_signin"),
        _ => reply::html(203, SIGN_IN_PAGE),
    };
    azure.say_where_to_sign_in(request, page)
}

/// Whether a request for a resource in preview says that it knows; saying no version at all will do too.
fn preview(request: &Request) -> bool {
    let accept =
        request.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let parameters = request.query.split('&').chain(accept.split([';', ',']));
    let mut versions = parameters.filter_map(|parameter| parameter.trim().strip_prefix("api-version="));
    versions.next().is_none_or(|version| version.contains("-preview"))
}

fn routes(path: &[&str]) -> Response<Body> {
    let location = || {
        vec![
            route(
                "e81700f7-3be2-46de-8624-2eb35882fcaa",
                "Location",
                "ResourceAreas",
                "_apis/{resource}/{areaId}",
            ),
            route("00d9565f-ed9c-4a06-9a50-00e7896ccab4", "Location", "ConnectionData", "_apis/{resource}"),
        ]
    };
    let known = match path {
        [] => [location(), pypi::routes()].concat(),
        ["location"] => location(),
        ["pypi"] => pypi::routes(),
        _ => Vec::new(),
    };
    list(&known)
}

fn list(value: &[Value]) -> Response<Body> {
    reply::json(200, &json!({ "count": value.len(), "value": value }))
}

fn resource_area(azure: &Azure, request: &Request, (name, id): (&str, &str)) -> Value {
    let own = || azure.addresses.packaging(&request.authority);
    json!({ "id": id, "name": name, "locationUrl": azure.location.clone().unwrap_or_else(own) })
}

fn connection_data(azure: &Azure, request: &Request, token: &Token) -> Value {
    let org = &azure.addresses.org;
    let user = azure.user(token);
    let identity = json!({
        "id": guid(&format!("identity {user}")),
        "providerDisplayName": user,
        "properties": { "Account": { "$type": "System.String", "$value": guid("account") } },
    });
    let mapping = |name: &str, access_point: String| {
        json!({
            "displayName": format!("{name} Access Mapping"), "moniker": format!("{name}AccessMapping"),
            "accessPoint": access_point, "serviceOwner": guid("service owner"), "virtualDirectory": "",
        })
    };
    json!({
        "authenticatedUser": identity,
        "authorizedUser": identity,
        "instanceId": guid("instance"),
        "deploymentId": guid("deployment"),
        "deploymentType": "hosted",
        "locationServiceData": {
            "serviceOwner": guid("service owner"),
            "defaultAccessMappingMoniker": "CodexAccessMapping",
            "lastChangeId64": 1,
            "clientCacheTimeToLive": 3600,
            "accessMappings": [
                mapping("Codex", azure.addresses.packaging(&request.authority)),
                mapping("Vsts", format!("https://{org}.pkgs.visualstudio.com/")),
            ],
        },
    })
}

fn feeds(azure: &Azure, token: &Token, project: Option<&str>, item: fn(&Feed) -> Value) -> Response<Body> {
    let known = |asked| {
        let mut names = azure
            .projects
            .iter()
            .map(String::as_str)
            .chain(azure.feeds.iter().filter_map(Feed::project_name));
        names.any(|name| is(asked, name) || is(asked, &guid(&format!("project {name}"))))
    };
    if let Some(project) = project.filter(|project| !known(project)) {
        let message = format!(
            "TF200016: The following project does not exist: {project}. Verify that the name of the project is \
             correct and that the project exists on the specified Azure DevOps Server."
        );
        return service_error(StatusCode::NOT_FOUND, "ProjectDoesNotExistWithNameException", &message);
    }
    // Without a project the list holds the feeds of all projects too.
    let wanted = |feed: &&Feed| token.reads(feed) && (project.is_none() || feed.is_in(project));
    let items: Vec<Value> = azure.feeds.iter().filter(wanted).map(item).collect();
    list(&items)
}

/// An entry of `_apis/packaging/feeds`.
fn feed_item(feed: &Feed) -> Value {
    let mut item = Map::new();
    item.insert("id".into(), feed.id().into());
    item.insert("name".into(), feed.name().into());
    if let Some(project) = feed.project_name() {
        item.insert(
            "project".into(),
            json!({ "id": feed.project_id(), "name": project, "visibility": "private" }),
        );
    }
    item.insert("upstreamEnabled".into(), true.into());
    Value::Object(item)
}

/// An entry of `_apis/packaging/feedids`.
fn feed_id_item(feed: &Feed) -> Value {
    let mut item = Map::new();
    item.insert("id".into(), feed.id().into());
    item.insert("name".into(), feed.name().into());
    if let Some(project) = feed.project_name() {
        item.insert("projectId".into(), feed.project_id().into());
        item.insert("projectName".into(), project.into());
    }
    Value::Object(item)
}
