//! What the registry of a world holds, by its own word, and how another client changes it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::World;

const TYPES: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                     application/vnd.docker.distribution.manifest.v2+json, \
                     application/vnd.docker.distribution.manifest.list.v2+json";

impl World {
    /// The digests of the manifest and of its config that the registry holds under a tag or digest, if any.
    #[must_use]
    pub fn held(&self, repository: &str, tag: &str) -> Option<(String, String)> {
        let (digest, manifest) = self.manifest(repository, tag)?;
        let config = manifest["config"]["digest"].as_str().expect("a manifest of an image has a config");
        Some((digest, config.to_owned()))
    }

    /// The manifest that the registry holds under a tag or digest, if any, and its digest.
    #[must_use]
    pub fn manifest(&self, repository: &str, tag: &str) -> Option<(String, serde_json::Value)> {
        let (head, body) = self.get(repository, tag)?;
        let digest = header(&head, "docker-content-digest").expect("a manifest has a digest").to_owned();
        Some((digest, serde_json::from_str(&body).expect("a manifest is JSON")))
    }

    /// Moves a tag to the image that another tag of the repository has, as somebody else would.
    pub fn move_tag(&self, repository: &str, tag: &str, to: &str) {
        let (head, body) = self.get(repository, to).expect("the registry holds it");
        let kind = header(&head, "content-type").expect("a manifest has a type");
        let length = body.len();
        let rest = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}");
        let answer = self.ask(&format!("PUT /v2/{repository}/manifests/{tag}"), &rest);
        assert!(answer.starts_with("HTTP/1.0 201"), "{answer}");
    }

    /// Head and body of the registry's answer, if it holds the manifest.
    fn get(&self, repository: &str, tag: &str) -> Option<(String, String)> {
        let answer =
            self.ask(&format!("GET /v2/{repository}/manifests/{tag}"), &format!("Accept: {TYPES}\r\n\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        (!head.starts_with("HTTP/1.0 404")).then(|| (head.to_owned(), body.to_owned()))
    }

    fn ask(&self, request: &str, rest: &str) -> String {
        let mut connection = TcpStream::connect(self.registry.host()).expect("the registry listens");
        let login = STANDARD.encode(format!("{}:{}", self.registry.user(), self.registry.password()));
        write!(connection, "{request} HTTP/1.0\r\nAuthorization: Basic {login}\r\n{rest}")
            .expect("the registry reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("the registry answers in text");
        answer
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}
