//! The URLs under which the sandbox is an organization or a collection.
//!
//! On loopback the two services of Azure DevOps Services differ by path, not by host. Under the service's own
//! host names (a proxy can lead them here) the real rules hold. A path of one service is unknown to the other.

/// The hosts of Entra: those of the public cloud, and one of each sovereign cloud.
const LOGIN_HOSTS: [&str; 4] =
    ["login.microsoftonline.com", "login.windows.net", "login.microsoftonline.us", "login.chinacloudapi.cn"];

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
    /// Whether session tokens are made below it.
    pub(crate) sessions: bool,
}

impl Addresses {
    /// The host names of the service, and of Entra, that a certificate for it must hold.
    pub(crate) fn service_hosts(&self) -> Vec<String> {
        let org = &self.org;
        let legacy =
            ["", ".pkgs", ".feeds", ".vssps"].map(|service| format!("{org}{service}.visualstudio.com"));
        let common = ["dev.azure.com", "pkgs.dev.azure.com", "feeds.dev.azure.com", "vssps.dev.azure.com"];
        common.iter().chain(&LOGIN_HOSTS).map(|&host| host.to_owned()).chain(legacy).collect()
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

    /// The base of the service that makes session tokens, as a feed under `authority` names it; a Server has none.
    pub(crate) fn authorization(&self, authority: &str) -> Option<String> {
        let (scheme, org) = (self.scheme, &self.org);
        match self.flavour {
            Flavour::Server => None,
            Flavour::Services if self.legacy(authority) => {
                Some(format!("{scheme}://{org}.vssps.visualstudio.com/"))
            }
            Flavour::Services if authority.ends_with("dev.azure.com") => {
                Some(format!("{scheme}://vssps.dev.azure.com/{org}/"))
            }
            Flavour::Services => Some(format!("{scheme}://{authority}/sps/{org}/")),
        }
    }

    /// The bases that `authority` has, the most particular first.
    pub(crate) fn bases(&self, authority: &str) -> Vec<Base> {
        let org = &self.org;
        let collection = |path: String| Base { path, packages: false, sessions: false };
        let packages = |path: String| Base { packages: true, ..collection(path) };
        let sessions = |path: String| Base { sessions: true, ..collection(path) };
        match (self.flavour, authority) {
            (Flavour::Server, _) => vec![packages("/tfs/DefaultCollection/".into())],
            (_, host) if LOGIN_HOSTS.contains(&host) => Vec::new(),
            (_, "dev.azure.com" | "feeds.dev.azure.com") => vec![collection(format!("/{org}/"))],
            (_, "pkgs.dev.azure.com") => vec![packages(format!("/{org}/"))],
            (_, "vssps.dev.azure.com") => vec![sessions(format!("/{org}/"))],
            _ if self.legacy(authority) => {
                let paths = ["/DefaultCollection/", "/"].map(str::to_owned);
                match authority.split('.').nth(1) {
                    Some("pkgs") => paths.map(packages).into(),
                    Some("vssps") => paths.map(sessions).into(),
                    _ => paths.map(collection).into(),
                }
            }
            _ => vec![
                packages(format!("/pkgs/{org}/")),
                sessions(format!("/sps/{org}/")),
                collection(format!("/{org}/")),
            ],
        }
    }

    fn legacy(&self, authority: &str) -> bool {
        authority.ends_with(".visualstudio.com")
            && authority.split('.').next().is_some_and(|first| first.eq_ignore_ascii_case(&self.org))
    }
}
