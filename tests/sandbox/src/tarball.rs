//! An npm package of one module, made in memory.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha512};

use crate::{archive::tar_gz, feed::hex};

/// An npm package: its module is a function that returns `Hello from {name} {version}!`.
#[derive(Clone, Debug)]
pub struct Tarball {
    name: String,
    version: String,
    file: Vec<u8>,
}

impl Tarball {
    /// Makes the package `name`, scoped (`@scope/name`) or not. The same name and version give the same bytes.
    pub fn new(name: &str, version: &str) -> Self {
        let manifest = json!({ "name": name, "version": version, "main": "index.js", "license": "MIT" });
        let module = format!("module.exports = () => \"Hello from {name} {version}!\";\n");
        let file = tar_gz(&[("package/package.json", manifest.to_string()), ("package/index.js", module)]);
        Self { name: name.to_owned(), version: version.to_owned(), file }
    }

    /// The package's name, with its scope.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The package's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The file's name, which has no scope.
    pub fn file_name(&self) -> String {
        let (_, name) = self.name.rsplit_once('/').unwrap_or(("", &self.name));
        format!("{name}-{}.tgz", self.version)
    }

    /// The package's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.file
    }

    /// The version's entry in the package document; `url` is where the file is.
    pub(crate) fn manifest(&self, url: &str) -> Value {
        json!({
            "name": self.name,
            "version": self.version,
            "main": "index.js",
            "_id": format!("{}@{}", self.name, self.version),
            "dist": {
                "tarball": url,
                "shasum": hex(&Sha1::digest(&self.file)),
                "integrity": format!("sha512-{}", BASE64_STANDARD.encode(Sha512::digest(&self.file))),
            },
        })
    }
}
