//! A Python wheel of one module, made in memory.

use std::fmt::Write as _;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{archive::zip, feed::hex};

/// A pure-Python package: a module named like it, with a function `greet()` that returns
/// `Hello from {name} {version}!`.
#[derive(Clone, Debug)]
pub struct Wheel {
    name: String,
    version: String,
    file_name: String,
    file: Vec<u8>,
}

impl Wheel {
    /// Makes the wheel. The same name and version give the same bytes.
    pub fn new(name: &str, version: &str) -> Self {
        let module = normalize(name).replace('-', "_");
        let info = format!("{module}-{version}.dist-info");
        let mut files = vec![
            (format!("{module}.py"), format!("def greet():\n    return \"Hello from {name} {version}!\"\n")),
            (
                format!("{info}/METADATA"),
                format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
            ),
            (
                format!("{info}/WHEEL"),
                "Wheel-Version: 1.0\nGenerator: sandbox\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
                    .to_owned(),
            ),
        ];
        let mut record = String::new();
        for (path, text) in &files {
            let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text.as_bytes()));
            let _ = writeln!(record, "{path},sha256={hash},{}", text.len());
        }
        let _ = writeln!(record, "{info}/RECORD,,");
        files.push((format!("{info}/RECORD"), record));

        Self::from_file(name, version, &format!("{module}-{version}-py3-none-any.whl"), &zip(&files))
    }

    /// A file that somebody else made (a source archive will do as well).
    pub(crate) fn from_file(name: &str, version: &str, file_name: &str, file: &[u8]) -> Self {
        let (version, file_name) = (version.to_owned(), file_name.to_owned());
        Self { name: normalize(name), version, file_name, file: file.to_owned() }
    }

    /// The package's normalized name (PEP 503).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The package's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The wheel's file name.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The wheel's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.file
    }

    /// The SHA-256 of the wheel, in hex.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(&self.file))
    }
}

/// A package name in lower case with single hyphens for runs of `-`, `_` and `.` (PEP 503).
pub(crate) fn normalize(name: &str) -> String {
    let mut words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_lowercase();
    words.fold(first, |name, word| name + "-" + &word.to_lowercase())
}
