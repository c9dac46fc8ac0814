//! The URL of a feed, as people copy it from "Connect to feed": which organization, which feed.

use url::Url;

use super::name::FeedName;
use super::service::Organization;
use crate::error::hinted;
use crate::http;

const WHERE_FROM: &str = "copy it from Artifacts > Connect to feed, e.g. \
                          `https://pkgs.dev.azure.com/ORG/PROJECT/_packaging/FEED/pypi/simple/`";

/// A feed by its URL.
#[derive(Debug, Clone)]
pub struct FeedLocation {
    /// The URL as it was given.
    pub url: Url,
    /// The organization that serves it.
    pub organization: Organization,
    /// The packaging base, with a trailing slash.
    pub base: Url,
    /// The feed.
    pub name: FeedName,
}

impl FeedLocation {
    /// Parses one line of the input `feedUrl`, of whatever protocol: what stands behind the feed's name does not count.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let wrong =
            || hinted(format!("input `feedUrl`: `{text}` is no URL of an Azure Artifacts feed"), WHERE_FROM);
        // The text may hold a user name and password by mistake; it is then not quoted.
        let url = Url::parse(text)
            .map_err(|_| hinted("input `feedUrl` holds a line that is no URL", WHERE_FROM))?;
        anyhow::ensure!(
            url.username().is_empty() && url.password().is_none(),
            "input `feedUrl` holds credentials; leave them out, the step has its own"
        );
        if !http::is_confidential(&url) {
            return Err(wrong());
        }
        let segments: Vec<String> = url
            .path_segments()
            .into_iter()
            .flatten()
            .map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned())
            .collect();
        let at =
            segments.iter().position(|part| part.eq_ignore_ascii_case("_packaging")).ok_or_else(wrong)?;
        let feed = segments.get(at + 1).filter(|feed| !feed.is_empty()).ok_or_else(wrong)?;
        let host = url.host_str().unwrap_or_default();
        // How many segments belong to the base; what is between them and `_packaging` is the project.
        let based = match host {
            "pkgs.dev.azure.com" => 1,
            host if host.ends_with(".pkgs.visualstudio.com") => {
                usize::from(segments[0].eq_ignore_ascii_case("DefaultCollection"))
            }
            _ if http::is_loopback(&url) => at,
            _ => return Err(wrong()),
        };
        let project = match segments.get(based..at).ok_or_else(wrong)? {
            [] => None,
            [project] => Some(project.clone()),
            _ => return Err(wrong()),
        };
        let mut base = url.clone();
        base.set_query(None);
        base.set_fragment(None);
        base.path_segments_mut().map_err(|()| wrong())?.clear().extend(&segments[..based]).push("");
        let (feed, view) = match feed.split_once('@') {
            Some((feed, view)) => (feed, Some(view.to_owned())),
            None => (feed.as_str(), None),
        };
        let organization = Organization::of(&collection(&base));
        Ok(Self { organization, name: FeedName { project, feed: feed.to_owned(), view }, base, url })
    }
}

/// The collection URI to which a packaging base belongs.
fn collection(base: &Url) -> Url {
    let mut collection = base.clone();
    let host = base.host_str().unwrap_or_default();
    let moved = match host.strip_suffix(".pkgs.visualstudio.com") {
        Some(name) => collection.set_host(Some(&format!("{name}.visualstudio.com"))),
        None if host == "pkgs.dev.azure.com" => collection.set_host(Some("dev.azure.com")),
        None => Ok(()),
    };
    debug_assert!(moved.is_ok(), "the names are hosts");
    collection
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    #[test]
    fn feeds_are_found_in_urls_of_every_protocol() {
        let table = [
            (
                "https://pkgs.dev.azure.com/fabrikam/_packaging/shared/pypi/simple/",
                "https://pkgs.dev.azure.com/fabrikam/",
                "shared",
            ),
            (
                "https://pkgs.dev.azure.com/fabrikam/My%20Project/_packaging/web@Release/npm/registry/",
                "https://pkgs.dev.azure.com/fabrikam/",
                "My Project/web@Release",
            ),
            (
                "https://fabrikam.pkgs.visualstudio.com/_packaging/a/nuget/v3/index.json",
                "https://fabrikam.pkgs.visualstudio.com/",
                "a",
            ),
            (
                "https://fabrikam.pkgs.visualstudio.com/DefaultCollection/p/_packaging/a",
                "https://fabrikam.pkgs.visualstudio.com/DefaultCollection/",
                "p/a",
            ),
            ("http://127.0.0.1:8080/pkgs/x/_packaging/a/pypi/simple/", "http://127.0.0.1:8080/pkgs/x/", "a"),
        ];
        for (url, base, name) in table {
            let location = FeedLocation::parse(url).expect(url);
            assert_eq!((location.base.as_str(), location.name.to_string().as_str()), (base, name));
            assert!(location.organization.owns(&location.url), "{url}");
        }
    }

    #[test]
    fn what_is_no_feed_is_refused() {
        for url in [
            "shared",
            "https://pkgs.dev.azure.com/fabrikam/",
            "https://pkgs.dev.azure.com/fabrikam/_packaging/",
            "https://pkgs.dev.azure.com/_packaging/x/pypi/simple/",
            "https://pkgs.dev.azure.com/a/b/c/_packaging/x/",
            "https://packages.example/fabrikam/_packaging/x/pypi/simple/",
            "http://pkgs.dev.azure.com/fabrikam/_packaging/x/pypi/simple/",
        ] {
            FeedLocation::parse(url).expect_err(url);
        }
        let error = FeedLocation::parse("https://me:s3cret@pkgs.dev.azure.com/f/_packaging/x/")
            .expect_err("credentials");
        assert!(!error::render(&error).contains("s3cret"));
    }
}
