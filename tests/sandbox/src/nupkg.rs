//! A `NuGet` package without an assembly, made in memory.

use crate::archive::zip;

/// A `NuGet` package for any framework, with the text file `content/greeting.txt`.
#[derive(Clone, Debug)]
pub struct Nupkg {
    id: String,
    version: String,
    file: Vec<u8>,
}

impl Nupkg {
    /// Makes the package. The same id and version give the same bytes.
    pub fn new(id: &str, version: &str) -> Self {
        let content_types = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
            <Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
            <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
            <Default Extension=\"nuspec\" ContentType=\"application/octet\"/>\
            <Default Extension=\"txt\" ContentType=\"application/octet\"/></Types>\n";
        let relations = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
             <Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
             <Relationship Type=\"http://schemas.microsoft.com/packaging/2010/07/manifest\" \
             Target=\"/{id}.nuspec\" Id=\"R0\"/></Relationships>\n"
        );
        let file = zip(&[
            ("[Content_Types].xml".to_owned(), content_types.to_owned()),
            ("_rels/.rels".to_owned(), relations),
            (format!("{id}.nuspec"), nuspec(id, version)),
            ("content/greeting.txt".to_owned(), format!("Hello from {id} {version}!\n")),
        ]);
        Self { id: id.to_owned(), version: version.to_owned(), file }
    }

    /// The package's id, in the case that it was made with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The package's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The package's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.file
    }

    /// The manifest in it.
    pub(crate) fn nuspec(&self) -> String {
        nuspec(&self.id, &self.version)
    }
}

fn nuspec(id: &str, version: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <package xmlns=\"http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd\"><metadata>\
         <id>{id}</id><version>{version}</version><authors>Contoso</authors><description>A greeting</description>\
         </metadata></package>\n"
    )
}
