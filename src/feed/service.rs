//! The hosts of Azure DevOps, and which of them belong to one organization.
//!
//! Rule: a token of an organization goes to these hosts only. Services has two host families for each
//! organization, `dev.azure.com/{org}` and `{org}.visualstudio.com`, and its setting decides which one is answered;
//! a Server serves feeds under the collection's own URL.

use url::Url;

use crate::http;

/// An organization (Services) or a collection (Server).
#[derive(Debug, Clone)]
pub struct Organization {
    collection: Url,
    /// The organization's name, on Services.
    name: Option<String>,
    /// Its packaging bases in both host families, on Services.
    bases: Vec<Url>,
}

impl Organization {
    /// From the collection URI of the system connection.
    #[must_use]
    pub fn of(collection: &Url) -> Self {
        let host = collection.host_str().unwrap_or_default();
        let name = if host == "dev.azure.com" {
            collection.path_segments().and_then(|mut segments| segments.next()).map(str::to_owned)
        } else {
            host.strip_suffix(".visualstudio.com").map(str::to_owned)
        };
        let name = name.filter(|name| !name.is_empty());
        let bases = name.iter().flat_map(|name| {
            [
                format!("https://pkgs.dev.azure.com/{name}/"),
                format!("https://{}.pkgs.visualstudio.com/", name.to_lowercase()),
            ]
        });
        let bases = bases.filter_map(|text| Url::parse(&text).ok()).collect();
        Self { collection: collection.clone(), name, bases }
    }

    /// The base of the feed management API, with a trailing slash.
    #[must_use]
    pub fn feeds_base(&self) -> Url {
        let host = self.collection.host_str().unwrap_or_default();
        let mut base = self.collection.clone();
        let moved = match &self.name {
            Some(_) if host == "dev.azure.com" => base.set_host(Some("feeds.dev.azure.com")),
            Some(name) => base.set_host(Some(&format!("{name}.feeds.visualstudio.com"))),
            None => Ok(()),
        };
        debug_assert!(moved.is_ok(), "the names are hosts");
        base
    }

    /// Whether the organization's token may be sent to `url`.
    #[must_use]
    pub fn owns(&self, url: &Url) -> bool {
        let Some(host) = url.host_str().filter(|_| http::is_confidential(url)) else { return false };
        match &self.name {
            Some(name) => {
                let first = url.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
                let codex = ["dev.azure.com", "pkgs.dev.azure.com", "feeds.dev.azure.com"].contains(&host)
                    && first.eq_ignore_ascii_case(name);
                let vsts = host.strip_suffix(".visualstudio.com").is_some_and(|rest| {
                    [name.clone(), format!("{name}.pkgs"), format!("{name}.feeds")]
                        .iter()
                        .any(|own| own.eq_ignore_ascii_case(rest))
                });
                url.port().is_none() && (codex || vsts)
            }
            None => url.origin() == self.collection.origin(),
        }
    }

    /// The URLs of the organization's collection: its own, and on Services the same place in the other host family.
    #[must_use]
    pub fn collections(&self) -> Vec<Url> {
        let others = self.name.iter().flat_map(|name| {
            [
                format!("https://dev.azure.com/{name}/"),
                format!("https://{}.visualstudio.com/", name.to_lowercase()),
            ]
        });
        let others = others.filter_map(|text| Url::parse(&text).ok());
        let others = others.filter(|other| other.host() != self.collection.host());
        std::iter::once(self.collection.clone()).chain(others).collect()
    }

    /// The packaging bases of the organization other than `base`: the same places in the other host family.
    pub fn other_bases<'a>(&'a self, base: &'a Url) -> impl Iterator<Item = &'a Url> {
        self.bases.iter().filter(|other| other.host() != base.host())
    }

    /// Every host that serves the organization's packages, the one of `base` first.
    #[must_use]
    pub fn packaging_hosts(&self, base: &Url) -> Vec<String> {
        std::iter::once(base)
            .chain(self.other_bases(base))
            .filter_map(Url::host_str)
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(collection: &str) -> Organization {
        Organization::of(&url(collection))
    }

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn feeds_are_managed_on_a_host_of_the_same_family() {
        let table = [
            ("https://dev.azure.com/contoso/", "https://feeds.dev.azure.com/contoso/"),
            ("https://contoso.visualstudio.com/", "https://contoso.feeds.visualstudio.com/"),
            ("https://tfs.corp/tfs/DefaultCollection/", "https://tfs.corp/tfs/DefaultCollection/"),
        ];
        for (collection, base) in table {
            assert_eq!(organization(collection).feeds_base().as_str(), base);
        }
    }

    #[test]
    fn a_collection_has_a_url_in_each_host_family() {
        let table: [(&str, &[&str]); 3] = [
            ("https://dev.azure.com/Contoso/", &["https://contoso.visualstudio.com/"]),
            ("https://contoso.visualstudio.com/", &["https://dev.azure.com/contoso/"]),
            ("https://tfs.corp/tfs/C/", &[]),
        ];
        for (collection, others) in table {
            let urls = organization(collection).collections();
            let urls: Vec<&str> = urls.iter().map(Url::as_str).collect();
            assert_eq!(urls, [&[collection], others].concat());
        }
    }

    #[test]
    fn a_token_stays_within_its_organization() {
        let services = organization("https://dev.azure.com/contoso/");
        let server = organization("https://tfs.corp/tfs/C/");
        let loopback = organization("http://127.0.0.1:8080/contoso/");
        let table = [
            (&services, "https://pkgs.dev.azure.com/Contoso/x", true),
            (&services, "https://contoso.pkgs.visualstudio.com/", true),
            (&services, "https://pkgs.dev.azure.com/fabrikam/", false),
            (&services, "https://pkgs.dev.azure.com.evil.example/contoso/", false),
            (&services, "https://fabrikam.pkgs.visualstudio.com/contoso/", false),
            (&services, "http://pkgs.dev.azure.com/contoso/", false),
            (&services, "https://pkgs.dev.azure.com:8443/contoso/", false),
            (&server, "https://tfs.corp/anything", true),
            (&server, "https://tfs.corp:8443/", false),
            (&server, "http://tfs.corp/", false),
            (&loopback, "http://127.0.0.1:8080/pkgs/contoso/", true),
            (&loopback, "http://127.0.0.2:8080/pkgs/contoso/", false),
        ];
        for (organization, target, owned) in table {
            assert_eq!(organization.owns(&url(target)), owned, "{target}");
        }
    }

    #[test]
    fn both_families_of_packaging_hosts_are_known() {
        let hosts = organization("https://Contoso.visualstudio.com/")
            .packaging_hosts(&url("https://pkgs.dev.azure.com/contoso/"));
        assert_eq!(hosts, ["pkgs.dev.azure.com", "contoso.pkgs.visualstudio.com"]);
    }
}
