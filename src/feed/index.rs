//! The URL of a feed for each protocol, under the packaging base of its organization.

use url::Url;

use super::name::FeedName;

/// What a package client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The PEP 503 index of pip, uv and Poetry; with a trailing slash, which uv and Poetry want.
    PyPi,
    /// The upload end of `PyPI`, for twine.
    PyPiUpload,
    /// The registry of npm, pnpm and yarn; with a trailing slash, since credentials are matched by it.
    Npm,
    /// The v3 service index of `NuGet`.
    NuGet,
    /// The Maven repository, also for Gradle.
    Maven,
    /// Cargo's sparse index, without the `sparse+` before it; capital C and trailing slash matter.
    Cargo,
    /// A conda channel.
    Conda,
}

impl Protocol {
    /// `{base}[{project}/]_packaging/{feed[@view]}/…`, each segment percent-encoded.
    #[must_use]
    pub fn url(self, base: &Url, name: &FeedName) -> Url {
        let tail: &[&str] = match self {
            Self::PyPi => &["pypi", "simple", ""],
            Self::PyPiUpload => &["pypi", "upload", ""],
            Self::Npm => &["npm", "registry", ""],
            Self::NuGet => &["nuget", "v3", "index.json"],
            Self::Maven => &["maven", "v1"],
            Self::Cargo => &["Cargo", "index", ""],
            Self::Conda => &["conda", "v1"],
        };
        let feed = match &name.view {
            Some(view) => format!("{}@{view}", name.feed),
            None => name.feed.clone(),
        };
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend(name.project.as_deref())
                .extend(["_packaging", &feed])
                .extend(tail);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_as_the_service_shows_them() {
        let base = Url::parse("https://pkgs.dev.azure.com/contoso/").expect("a URL");
        let name = &FeedName::parse_list("My Project/web@Release").expect("a name")[0];
        let table = [
            (Protocol::PyPi, "pypi/simple/"),
            (Protocol::PyPiUpload, "pypi/upload/"),
            (Protocol::Npm, "npm/registry/"),
            (Protocol::NuGet, "nuget/v3/index.json"),
            (Protocol::Maven, "maven/v1"),
            (Protocol::Cargo, "Cargo/index/"),
            (Protocol::Conda, "conda/v1"),
        ];
        for (protocol, tail) in table {
            assert_eq!(
                protocol.url(&base, name).as_str(),
                format!("https://pkgs.dev.azure.com/contoso/My%20Project/_packaging/web@Release/{tail}")
            );
        }
        let name = &FeedName::parse_list("shared").expect("a name")[0];
        assert_eq!(
            Protocol::PyPi.url(&base, name).as_str(),
            "https://pkgs.dev.azure.com/contoso/_packaging/shared/pypi/simple/"
        );
    }
}
