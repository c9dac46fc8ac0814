//! The URL of a feed for each protocol, under the packaging base of its organization.

use url::Url;

use super::name::FeedName;

/// The PEP 503 index of a feed, with the trailing slash that uv and Poetry want.
#[must_use]
pub fn pypi_simple(base: &Url, name: &FeedName) -> Url {
    protocol_url(base, name, &["pypi", "simple", ""])
}

/// `{base}[{project}/]_packaging/{feed[@view]}/{tail}`, each segment percent-encoded.
fn protocol_url(base: &Url, name: &FeedName, tail: &[&str]) -> Url {
    let feed = match &name.view {
        Some(view) => format!("{}@{view}", name.feed),
        None => name.feed.clone(),
    };
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(name.project.as_deref()).extend(["_packaging", &feed]).extend(tail);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_as_the_service_shows_them() {
        let base = Url::parse("https://pkgs.dev.azure.com/contoso/").expect("a URL");
        let table = [
            ("shared", "https://pkgs.dev.azure.com/contoso/_packaging/shared/pypi/simple/"),
            (
                "My Project/web@Release",
                "https://pkgs.dev.azure.com/contoso/My%20Project/_packaging/web@Release/pypi/simple/",
            ),
        ];
        for (name, expected) in table {
            let name = &FeedName::parse_list(name).expect("a name")[0];
            assert_eq!(pypi_simple(&base, name).as_str(), expected);
        }
    }
}
