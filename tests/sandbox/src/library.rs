//! A Rust library crate, made in memory.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{archive::tar_gz, feed::hex};

/// A crate with a function `greet()` that returns `Hello from {name} {version}!`.
#[derive(Clone, Debug)]
pub struct Library {
    name: String,
    version: String,
    file: Vec<u8>,
}

impl Library {
    /// Makes the crate. The same name and version give the same bytes.
    pub fn new(name: &str, version: &str) -> Self {
        let manifest =
            format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\n\n[lib]\n");
        let code = format!("pub fn greet() -> &'static str {{\n    \"Hello from {name} {version}!\"\n}}\n");
        let folder = format!("{name}-{version}");
        let file =
            tar_gz(&[(format!("{folder}/Cargo.toml"), manifest), (format!("{folder}/src/lib.rs"), code)]);
        Self { name: name.to_owned(), version: version.to_owned(), file }
    }

    /// The crate's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The crate's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The bytes of the `.crate` file.
    pub fn bytes(&self) -> &[u8] {
        &self.file
    }

    /// The version's line in the index.
    pub(crate) fn index_entry(&self) -> Value {
        json!({
            "name": self.name,
            "vers": self.version,
            "deps": [],
            "cksum": hex(&Sha256::digest(&self.file)),
            "features": {},
            "yanked": false,
        })
    }

    /// The path of the crate's file in an index: two levels of folders by the first letters of the name.
    pub(crate) fn index_path(&self) -> String {
        let name = self.name.to_lowercase();
        match name.len() {
            1 => format!("1/{name}"),
            2 => format!("2/{name}"),
            3 => format!("3/{}/{name}", &name[..1]),
            _ => format!("{}/{}/{name}", &name[..2], &name[2..4]),
        }
    }
}
