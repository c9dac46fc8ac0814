//! A Maven artifact, made in memory.

use crate::archive::zip;

/// A Maven artifact: a POM without dependencies, and a jar with the text file `greeting.txt`.
#[derive(Clone, Debug)]
pub struct Artifact {
    group: String,
    name: String,
    version: String,
    jar: Vec<u8>,
}

impl Artifact {
    /// Makes `{group}:{name}:{version}`. The same coordinates give the same bytes.
    pub fn new(group: &str, name: &str, version: &str) -> Self {
        let jar = zip(&[
            ("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n\r\n".to_owned()),
            ("greeting.txt", format!("Hello from {name} {version}!\n")),
        ]);
        Self { group: group.to_owned(), name: name.to_owned(), version: version.to_owned(), jar }
    }

    /// The artifact's group id.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The artifact's id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The artifact's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The jar's bytes.
    pub fn jar(&self) -> &[u8] {
        &self.jar
    }

    /// The POM.
    pub fn pom(&self) -> String {
        let Self { group, name, version, .. } = self;
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
             <groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></project>\n"
        )
    }
}
