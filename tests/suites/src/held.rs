//! What the registry of a world holds, by its own word.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::World;

impl World {
    /// The digests of the manifest and of its config that the registry holds under a tag or digest, if any.
    #[must_use]
    pub fn held(&self, repository: &str, tag: &str) -> Option<(String, String)> {
        let mut connection = TcpStream::connect(self.registry.host()).expect("the registry listens");
        let types = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
        let login = STANDARD.encode(format!("{}:{}", self.registry.user(), self.registry.password()));
        write!(
            connection,
            "GET /v2/{repository}/manifests/{tag} HTTP/1.0\r\nAccept: {types}\r\nAuthorization: Basic {login}\r\n\r\n"
        )
        .expect("the registry reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("the registry answers in text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        if head.starts_with("HTTP/1.0 404") {
            return None;
        }
        let digest = head.lines().filter_map(|line| line.split_once(": ")).find_map(|(name, value)| {
            name.eq_ignore_ascii_case("docker-content-digest").then(|| value.to_owned())
        });
        let manifest: serde_json::Value = serde_json::from_str(body).expect("a manifest is JSON");
        let config = manifest["config"]["digest"].as_str().expect("a manifest of an image has a config");
        Some((digest.expect("a manifest has a digest"), config.to_owned()))
    }
}
