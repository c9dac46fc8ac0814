//! The `NuGet` service, asked by hand in the order in which a client asks.

use std::io::{Cursor, Read};

use crate::client::{anonymous, get};
use feedbuild_sandbox::{Feed, Nupkg, Protocol, Sandbox};
use serde_json::{Value, json};
use zip::ZipArchive;

fn contoso() -> Sandbox {
    let feed = Feed::project("web", "shared").with(Nupkg::new("Private.Greeting", "1.1.0"));
    Sandbox::builder().token("job").feed(feed).start()
}

fn resource(index: &Value, kind: &str) -> String {
    let resources = index["resources"].as_array().unwrap();
    let resource = resources.iter().find(|resource| resource["@type"] == kind).unwrap();
    resource["@id"].as_str().unwrap().to_owned()
}

#[test]
fn a_package_is_found_from_the_service_index_on() {
    let sandbox = contoso();
    let index = get(&sandbox.feed_url("web/shared", Protocol::NuGet), "job").json();
    assert_eq!(index["version"], "3.0.0");
    let flat = resource(&index, "PackageBaseAddress/3.0.0");
    let feed = Feed::project("web", "shared");
    let by_id = format!("{}/_packaging/{}/nuget/v3/flat2/", feed.project_id().unwrap(), feed.id());
    assert_eq!(flat, format!("{}{by_id}", sandbox.packaging_url()));
    assert_eq!(
        get(&format!("{flat}private.greeting/index.json"), "job").json(),
        json!({ "versions": ["1.0.0", "1.1.0"] })
    );
    let file = get(&format!("{flat}private.greeting/1.1.0/private.greeting.1.1.0.nupkg"), "job").body;
    assert_eq!(file, Nupkg::new("Private.Greeting", "1.1.0").bytes());
    let nuspec = get(&format!("{flat}private.greeting/1.1.0/private.greeting.nuspec"), "job");
    let mut inner = String::new();
    let mut archive = ZipArchive::new(Cursor::new(file)).unwrap();
    archive.by_name("Private.Greeting.nuspec").unwrap().read_to_string(&mut inner).unwrap();
    assert_eq!(nuspec.text(), inner);
    assert!(inner.contains("<id>Private.Greeting</id><version>1.1.0</version>"), "{inner}");
}

#[test]
fn a_registration_leads_to_every_file() {
    let sandbox = contoso();
    let index = get(&sandbox.feed_url("web/shared", Protocol::NuGet), "job").json();
    for kind in
        ["RegistrationsBaseUrl/3.0.0-beta", "RegistrationsBaseUrl/3.4.0", "RegistrationsBaseUrl/3.6.0"]
    {
        let url = format!("{}private.greeting/index.json", resource(&index, kind));
        let page = get(&url, "job").json()["items"][0].clone();
        assert_eq!((&page["lower"], &page["upper"]), (&json!("1.0.0"), &json!("1.1.0")));
        for leaf in page["items"].as_array().unwrap() {
            assert_eq!(leaf["catalogEntry"]["id"], "Private.Greeting");
            let file = leaf["packageContent"].as_str().unwrap();
            assert_eq!(get(file, "job").status, 200, "{file}");
            assert_eq!(anonymous("GET", file).status, 401, "{file}");
        }
    }
}

#[test]
fn unknown_packages_and_versions_are_missing() {
    let sandbox = contoso();
    let index = get(&sandbox.feed_url("web/shared", Protocol::NuGet), "job").json();
    let flat = resource(&index, "PackageBaseAddress/3.0.0");
    for path in [
        "missing/index.json",
        "private.greeting/2.0.0/private.greeting.2.0.0.nupkg",
        "private.greeting/1.0.0/private.greeting.1.1.0.nupkg",
    ] {
        assert_eq!(get(&format!("{flat}{path}"), "job").status, 404, "{path}");
    }
}
