//! The registry behind its front. Needs Debian's `docker-registry`, named by `FEEDBUILD_TEST_REGISTRY_BIN`.

use std::path::PathBuf;

use crate::client::{Answer, basic, client, say_skipped, sha256};
use feedbuild_sandbox::{Fault, Registry};
use serde_json::json;

const BINARY: &str = "FEEDBUILD_TEST_REGISTRY_BIN";

fn start() -> Option<Registry> {
    let Some(binary) = std::env::var_os(BINARY) else {
        say_skipped(&format!("{BINARY} does not name a `docker-registry` binary"));
        return None;
    };
    Some(Registry::start(&PathBuf::from(binary), "pusher", "pässword:1"))
}

fn send(registry: &Registry, method: &str, url: &str, media_type: &str, body: &[u8]) -> Answer {
    let url = if url.starts_with('/') { format!("http://{}{url}", registry.host()) } else { url.to_owned() };
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(url)
        .header("Authorization", basic(registry.user(), registry.password()))
        .header("Content-Type", media_type)
        .header("Accept", media_type)
        .body(body)
        .unwrap();
    Answer::read(client().run(request).unwrap()).unwrap()
}

fn push_blob(registry: &Registry, bytes: &[u8]) -> serde_json::Value {
    let digest = format!("sha256:{}", sha256(bytes));
    let begun = send(registry, "POST", "/v2/app/blobs/uploads/", "application/octet-stream", b"");
    assert_eq!(begun.status, 202);
    let location = begun.header("location");
    assert!(location.contains(&registry.host()), "{location}");
    let put =
        send(registry, "PUT", &format!("{location}&digest={digest}"), "application/octet-stream", bytes);
    assert_eq!(put.status, 201, "{}", put.text());
    json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "size": bytes.len(), "digest": digest })
}

#[test]
fn it_takes_an_image_and_fails_at_the_tag_it_was_told_to() {
    let Some(registry) = start() else { return };
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let config = push_blob(&registry, b"{}");
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [] }).to_string();
    registry.fault("PUT /v2/app/manifests/two", Fault::Status(500), 1);
    let push = |tag: &str| {
        send(&registry, "PUT", &format!("/v2/app/manifests/{tag}"), media_type, manifest.as_bytes()).status
    };
    assert_eq!(["one", "two", "three", "two"].map(push), [201, 500, 201, 201]);
    assert_eq!(registry.requests_to("PUT*/manifests/").len(), 4);
    let read = send(&registry, "GET", "/v2/app/manifests/three", media_type, b"");
    assert_eq!(read.text(), manifest);
    let head = send(&registry, "HEAD", "/v2/app/manifests/three", media_type, b"");
    assert_eq!(
        (head.header("docker-content-digest"), head.header("content-length")),
        (format!("sha256:{}", sha256(manifest.as_bytes())).as_str(), manifest.len().to_string().as_str())
    );
}

#[test]
fn it_lets_in_its_user_only_and_can_refuse_him() {
    let Some(registry) = start() else { return };
    let status = |authorization: Option<String>| {
        let request = client().get(format!("http://{}/v2/", registry.host()));
        let request =
            authorization.into_iter().fold(request, |request, value| request.header("Authorization", value));
        Answer::read(request.call().unwrap()).unwrap()
    };
    let good = || Some(basic("pusher", "pässword:1"));
    assert_eq!(status(None).status, 401);
    assert_eq!(status(Some(basic("pusher", "wrong"))).status, 401);
    assert_eq!(status(good()).status, 200);
    registry.refuse(401);
    assert!(status(good()).header("www-authenticate").starts_with("Basic"));
    registry.clear_faults();
    registry.refuse(403);
    assert_eq!(status(good()).json()["errors"][0]["code"], "DENIED");
    registry.clear_faults();
    assert_eq!(status(good()).status, 200);
}

#[test]
fn it_ends_with_its_handle() {
    let Some(registry) = start() else { return };
    let log = registry.log();
    let address = log.split_once("listening on ").unwrap().1.split('"').next().unwrap();
    assert!(std::net::TcpStream::connect(address).is_ok());
    drop(registry);
    assert!(std::net::TcpStream::connect(address).is_err());
}
