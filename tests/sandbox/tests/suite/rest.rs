//! The REST interface as the reference of the service gives it.

use crate::client::{Answer, basic, client, get};
use feedbuild_sandbox::{Feed, Flavour, Sandbox, Token};
use serde_json::{Value, json};

const PYPI_AREA: &str = "92F0314B-06C5-46E0-ABE7-15FD9D13276A";

fn contoso() -> Sandbox {
    Sandbox::builder().token("job").feed(Feed::org("shared")).feed(Feed::project("My Web", "private")).start()
}

#[test]
fn all_resource_areas_lead_to_the_packaging_base() {
    let sandbox = contoso();
    for area in [
        "B3BE7473-68EA-4A81-BFC7-9530BAAA19AD",
        "4C83CFC1-F33A-477E-A789-29D38FFCA52E",
        "6F7F8C07-FF36-473C-BCF3-BD6CC9B6C066",
        PYPI_AREA,
        "71F96160-8701-4914-AED9-C44B89F20CCD",
        "7ab4e64e-c4d8-4f50-ae73-5ef2e21642a5",
        "5294ef93-12a1-4d13-8671-9d9d014072c8",
    ] {
        let url = format!("{}_apis/resourceAreas/{area}?api-version=5.0-preview.1", sandbox.collection_url());
        let answer = get(&url, "job");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["id"], area.to_lowercase());
        assert_eq!(answer.json()["locationUrl"], format!("http://{}/pkgs/contoso/", sandbox.authority()));
    }
    assert_eq!(sandbox.requests_to("resourceAreas").len(), 7);
}

#[test]
fn an_unknown_resource_area_is_null_and_a_location_can_be_foreign() {
    let sandbox = Sandbox::builder().location_url("https://elsewhere.example/contoso/").start();
    let areas = format!("{}_apis/resourceAreas/", sandbox.collection_url());
    assert_eq!(
        get(&format!("{areas}{PYPI_AREA}"), &sandbox.token()).json()["locationUrl"],
        "https://elsewhere.example/contoso/"
    );
    assert_eq!(
        get(&format!("{areas}00000000-0000-0000-0000-000000000000"), &sandbox.token()).json(),
        Value::Null
    );
}

#[test]
fn a_resource_in_preview_wants_a_preview_version() {
    let sandbox = contoso();
    let url = format!("{}_apis/connectionData", sandbox.collection_url());
    assert_eq!(get(&format!("{url}?api-version=7.1"), "job").status, 400);
    assert_eq!(get(&format!("{url}?connectOptions=1&api-version=7.1-preview.1"), "job").status, 200);
    let with_accept = |accept: &str| {
        let request = client().get(&url).header("Authorization", basic("", "job")).header("Accept", accept);
        request.call().unwrap().status().as_u16()
    };
    assert_eq!(with_accept("application/json;api-version=7.1"), 400);
    assert_eq!(with_accept("application/json;api-version=7.2-preview.1"), 200);
}

#[test]
fn connection_data_names_the_identity_and_the_access_mappings() {
    let sandbox = contoso();
    let data = get(&format!("{}_apis/connectionData", sandbox.collection_url()), "job").json();
    assert_eq!(
        data["authenticatedUser"]["providerDisplayName"],
        "Project Collection Build Service (contoso)"
    );
    let mappings = data["locationServiceData"]["accessMappings"].as_array().unwrap();
    assert_eq!(mappings[0]["moniker"], "CodexAccessMapping");
    assert_eq!(mappings[0]["accessPoint"], sandbox.packaging_url());
}

#[test]
fn feeds_are_listed_with_their_projects() {
    let sandbox = contoso();
    let (shared, private) = (Feed::org("shared"), Feed::project("My Web", "private"));
    let items = |path: &str| {
        let answer = get(&format!("{}{path}", sandbox.collection_url()), "job").json();
        assert_eq!(answer["count"], answer["value"].as_array().unwrap().len());
        answer["value"].clone()
    };
    let web = json!({ "id": private.project_id(), "name": "My Web", "visibility": "private" });
    assert_eq!(
        items("_apis/packaging/feeds?includeUrls=false"),
        json!([
            { "id": shared.id(), "name": "shared", "upstreamEnabled": true },
            { "id": private.id(), "name": "private", "project": web, "upstreamEnabled": true },
        ])
    );
    let only_private = json!([
        { "id": private.id(), "name": "private", "projectId": private.project_id(), "projectName": "My Web" },
    ]);
    assert_eq!(items("my%20web/_apis/packaging/feedids"), only_private);
    assert_eq!(items(&format!("{}/_apis/packaging/FeedIds", private.project_id().unwrap())), only_private);
    let unknown = get(&format!("{}nowhere/_apis/packaging/feeds", sandbox.collection_url()), "job");
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["typeKey"], "ProjectDoesNotExistWithNameException");
}

#[test]
fn a_project_without_feeds_lists_none() {
    let sandbox = Sandbox::builder().token("job").project("bare").start();
    let answer = get(&format!("{}bare/_apis/packaging/feeds", sandbox.collection_url()), "job");
    assert_eq!(answer.json(), json!({ "count": 0, "value": [] }));
}

#[test]
fn a_token_sees_only_the_feeds_it_may_read() {
    let sandbox = Sandbox::builder()
        .token(Token::new("limited").reader_of(&["web/private"]))
        .feed(Feed::org("shared"))
        .feed(Feed::project("web", "private"))
        .start();
    let list = get(&format!("{}_apis/packaging/feeds", sandbox.collection_url()), "limited").json();
    assert_eq!(list["count"], 1);
    assert_eq!(list["value"][0]["name"], "private");
    assert_eq!(get(&sandbox.index_url("web/private"), "limited").status, 200);
    assert_eq!(get(&sandbox.index_url("shared"), "limited").status, 403);
}

#[test]
fn routes_are_found_by_options() {
    let sandbox = contoso();
    let url = format!("{}_apis/PyPi", sandbox.packaging_url());
    let response = client().options(&url).header("Authorization", basic("vsts", "job")).call().unwrap();
    let routes = Answer::read(response).unwrap().json();
    assert_eq!(routes["value"][0]["id"], "93377a2c-f5fb-48b9-a8dc-7781441cabf1");
    assert_eq!(routes["value"][0]["routeTemplate"], "{project}/_packaging/{feed}/pypi/{resource}");
}

#[test]
fn a_refused_request_gets_401_or_the_sign_in_page() {
    let sandbox = Sandbox::builder().tenant("11111111-2222-3333-4444-555555555555").start();
    let url = format!("{}_apis/packaging/feeds", sandbox.collection_url());
    let refused = get(&url, "wrong");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("x-vss-resourcetenant"), "11111111-2222-3333-4444-555555555555");
    assert_eq!(refused.headers.get_all("www-authenticate").iter().count(), 3);

    let sign_in =
        Answer::read(client().get(&url).header("Authorization", "Bearer wrong").call().unwrap()).unwrap();
    assert_eq!(sign_in.status, 203);
    assert!(sign_in.text().contains("Sign In"), "{}", sign_in.text());

    let anonymous = Answer::read(client().get(&url).call().unwrap()).unwrap();
    assert_eq!((anonymous.status, anonymous.header("location")), (302, "/_signin"));
    let page = client().get(format!("http://{}/_signin", sandbox.authority())).call().unwrap();
    assert_eq!(page.status(), 203);

    let requests = sandbox.requests();
    assert_eq!(
        requests.iter().map(|one| one.status).collect::<Vec<_>>(),
        [Some(401), Some(203), Some(302), Some(203)]
    );
    assert_eq!(
        requests.iter().map(feedbuild_sandbox::Received::has_authorization).collect::<Vec<_>>(),
        [true, true, false, false]
    );
}

#[test]
fn tokens_come_as_basic_password_or_bearer_and_can_be_revoked() {
    let sandbox = Sandbox::builder().token("job").token(Token::personal("pat")).start();
    let status = |authorization: &str| {
        let url = format!("{}_apis/packaging/feeds", sandbox.collection_url());
        let request = client().get(&url).header("X-TFS-FedAuthRedirect", "Suppress");
        request.header("Authorization", authorization).call().unwrap().status().as_u16()
    };
    assert_eq!(status(&basic("anyone", "job")), 200);
    assert_eq!(status("bearer job"), 200);
    assert_eq!(status(&basic("", "pat")), 200);
    assert_eq!(status("Bearer pat"), 401);
    assert_eq!(status(&basic("job", "")), 401);
    assert_eq!(status("job"), 401);
    sandbox.revoke("job");
    assert_eq!(status("Bearer job"), 401);
    sandbox.add_token("renewed");
    assert_eq!(status("Bearer renewed"), 200);
}

#[test]
fn a_server_has_its_feeds_below_the_collection() {
    let sandbox = Sandbox::builder().flavour(Flavour::Server).token("job").feed(Feed::org("shared")).start();
    assert_eq!(sandbox.collection_url(), format!("http://{}/tfs/DefaultCollection/", sandbox.authority()));
    assert_eq!(sandbox.packaging_url(), sandbox.collection_url());
    assert_eq!(get(&sandbox.index_url("shared"), "job").status, 200);
    assert_eq!(get(&format!("{}_apis/packaging/feeds", sandbox.collection_url()), "job").json()["count"], 1);
    assert_eq!(
        get(&format!("http://{}/pkgs/contoso/_packaging/shared/pypi/simple/", sandbox.authority()), "job")
            .status,
        404
    );
}

#[test]
fn the_collection_of_services_serves_no_packages() {
    let sandbox = contoso();
    let url = format!("{}_packaging/shared/pypi/simple/", sandbox.collection_url());
    assert_eq!(get(&url, "job").status, 404);
}
