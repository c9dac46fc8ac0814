//! The URLs under which the sandbox is an organization or a collection.
//!
//! On loopback the two services of Azure DevOps Services differ by path, not by host. Under the service's own
//! host names (a proxy can lead them here) the real rules hold. A path of one service is unknown to the other.

/// Which product the sandbox stands in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Azure DevOps Services: packages have a base of their own, found through resource areas.
    Services,
    /// Azure DevOps Server: the collection's URL is the packages' base too.
    Server,
}

/// Scheme, organization and product: all that URLs are made from.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) scheme: &'static str,
    pub(crate) org: String,
    pub(crate) flavour: Flavour,
}

/// What a request's path is below.
pub(crate) struct Base {
    /// The base's path, with its trailing slash.
    pub(crate) path: String,
    /// Whether feeds are served below it.
    pub(crate) packages: bool,
}

impl Addresses {
    /// The host names of the service that a certificate for it must hold.
    pub(crate) fn service_hosts(&self) -> Vec<String> {
        let org = &self.org;
        let legacy = ["", ".pkgs", ".feeds"].map(|service| format!("{org}{service}.visualstudio.com"));
        ["dev.azure.com", "pkgs.dev.azure.com", "feeds.dev.azure.com"]
            .map(str::to_owned)
            .into_iter()
            .chain(legacy)
            .collect()
    }

    /// The collection's URL under the host (and port) `authority`.
    pub(crate) fn collection(&self, authority: &str) -> String {
        let path = match self.flavour {
            Flavour::Services => format!("{}/", self.org),
            Flavour::Server => "tfs/DefaultCollection/".to_owned(),
        };
        format!("{}://{authority}/{path}", self.scheme)
    }

    /// The base of the feeds as the collection under `authority` would name it.
    pub(crate) fn packaging(&self, authority: &str) -> String {
        let (scheme, org) = (self.scheme, &self.org);
        match (self.flavour, self.legacy(authority)) {
            (Flavour::Server, _) => self.collection(authority),
            (Flavour::Services, true) => format!("{scheme}://{org}.pkgs.visualstudio.com/"),
            (Flavour::Services, false) if authority.ends_with("dev.azure.com") => {
                format!("{scheme}://pkgs.dev.azure.com/{org}/")
            }
            (Flavour::Services, false) => format!("{scheme}://{authority}/pkgs/{org}/"),
        }
    }

    /// The bases that `authority` has, the most particular first.
    pub(crate) fn bases(&self, authority: &str) -> Vec<Base> {
        let org = &self.org;
        let base = |path: String, packages| Base { path, packages };
        match (self.flavour, authority) {
            (Flavour::Server, _) => vec![base("/tfs/DefaultCollection/".into(), true)],
            (_, "dev.azure.com" | "feeds.dev.azure.com") => vec![base(format!("/{org}/"), false)],
            (_, "pkgs.dev.azure.com") => vec![base(format!("/{org}/"), true)],
            _ if self.legacy(authority) => {
                let packages = authority.contains(".pkgs.");
                vec![base("/DefaultCollection/".into(), packages), base("/".into(), packages)]
            }
            _ => vec![base(format!("/pkgs/{org}/"), true), base(format!("/{org}/"), false)],
        }
    }

    fn legacy(&self, authority: &str) -> bool {
        authority.ends_with(".visualstudio.com")
            && authority.split('.').next().is_some_and(|first| first.eq_ignore_ascii_case(&self.org))
    }
}

/// The path below `base`, compared without regard to case.
pub(crate) fn below<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    let start = path.get(..base.len())?;
    start.eq_ignore_ascii_case(base).then(|| &path[base.len()..])
}
