//! The clouds of Azure, and where Entra and the container registries of each are. Azure DevOps Services exists in the
//! public cloud only, but its pipelines push to registries of every cloud.

use anyhow::Context as _;
use url::Url;

use crate::agent::connection::Connection;
use crate::error::hinted;
use crate::http;

/// Entra in the public cloud.
pub const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com/";

/// A cloud as the Azure CLI knows it, its name as service connections write it.
struct Known {
    name: &'static str,
    suffix: &'static str,
    authority: &'static str,
    management: &'static str,
    registry: &'static str,
}

const KNOWN: [Known; 3] = [
    Known {
        name: "AzureCloud",
        suffix: ".azurecr.io",
        authority: PUBLIC_AUTHORITY,
        management: "https://management.core.windows.net/",
        registry: "https://containerregistry.azure.net",
    },
    Known {
        name: "AzureUSGovernment",
        suffix: ".azurecr.us",
        authority: "https://login.microsoftonline.us/",
        management: "https://management.core.usgovcloudapi.net/",
        registry: "https://containerregistry.azure.us",
    },
    Known {
        name: "AzureChinaCloud",
        suffix: ".azurecr.cn",
        authority: "https://login.chinacloudapi.cn/",
        management: "https://management.core.chinacloudapi.cn/",
        registry: "https://containerregistry.azure.cn",
    },
];

/// The cloud that a private installation of Azure Stack is.
const STACK: &str = "AzureStack";

/// Where the identity of a service connection gets tokens that its registry takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// Entra, with a trailing slash.
    pub authority: Url,
    /// The resources that registries take tokens for, the usual one first: Azure Resource Manager, and the registries
    /// themselves where a registry's policy refuses the first.
    pub resources: Vec<String>,
}

impl Cloud {
    /// The cloud of a connection to the registry `server`, by what the connection says and else by the server's name.
    ///
    /// A server that is no registry of Azure is refused: it would be sent an Entra token.
    pub fn of(connection: &Connection<'_>, server: &str) -> anyhow::Result<Self> {
        let environment = connection.data("environment");
        let is_stack = environment.is_some_and(|name| name.eq_ignore_ascii_case(STACK));
        let named = environment
            .and_then(|environment| KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(environment)));
        let by_server = KNOWN.iter().find(|known| server.ends_with(known.suffix));
        if by_server.is_none() && !is_stack && !is_loopback(server) {
            return Err(hinted(
                format!(
                    "input `{}`: `{server}` is no host of Azure Container Registry, so no Entra token is sent there",
                    connection.input
                ),
                "mend the service connection's login server (it reads like `contoso.azurecr.io`), or use a Docker registry \
                 service connection of type `Others` with a user name and a password",
            ));
        }
        let known = named.or(by_server).unwrap_or(&KNOWN[0]);
        let authority = connection
            .data("activeDirectoryAuthority")
            .or_else(|| connection.data("environmentAuthorityUrl"));
        let management = connection.data("activeDirectoryServiceEndpointResourceId");
        let (authority, management) = if is_stack {
            let expect = |key: &str, value: Option<&'_ str>| {
                value.map(str::to_owned).with_context(|| {
                    format!(
                        "input `{}`: the service connection to Azure Stack has no `{key}`",
                        connection.input
                    )
                })
            };
            (
                expect("activeDirectoryAuthority", authority)?,
                expect("activeDirectoryServiceEndpointResourceId", management)?,
            )
        } else {
            (
                authority.unwrap_or(known.authority).to_owned(),
                management.unwrap_or(known.management).to_owned(),
            )
        };
        let mut resources = vec![management];
        if !is_stack {
            resources.push(known.registry.to_owned());
        }
        Ok(Self { authority: authority_url(connection, &authority)?, resources })
    }
}

/// Entra gets the job's id token, so it is reached by https.
fn authority_url(connection: &Connection<'_>, text: &str) -> anyhow::Result<Url> {
    let wrong = || {
        format!("input `{}`: the service connection's authority is no https URL: `{text}`", connection.input)
    };
    let mut url = Url::parse(text).with_context(wrong)?;
    if !http::is_confidential(&url) {
        anyhow::bail!(wrong());
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn is_loopback(server: &str) -> bool {
    Url::parse(&format!("https://{server}/")).is_ok_and(|url| http::is_loopback(&url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::env::Env;
    use crate::error;

    const ID: &str = "3fae2b5c-0000-4000-8000-00000000000c";

    fn cloud(server: &str, data: &[(&str, &str)]) -> anyhow::Result<Cloud> {
        let data =
            data.iter().map(|(key, value)| (format!("ENDPOINT_DATA_{ID}_{}", key.to_uppercase()), *value));
        let env: Env = data.chain([(format!("ENDPOINT_URL_{ID}"), "https://x")]).collect();
        Cloud::of(&Connection::find(&env, "containerRegistry", ID)?, server)
    }

    #[test]
    fn every_cloud_has_its_own_entra() {
        let table = [
            (
                "c.azurecr.io",
                None,
                "https://login.microsoftonline.com/",
                "https://management.core.windows.net/",
            ),
            (
                "c.azurecr.us",
                None,
                "https://login.microsoftonline.us/",
                "https://management.core.usgovcloudapi.net/",
            ),
            (
                "c.azurecr.cn",
                None,
                "https://login.chinacloudapi.cn/",
                "https://management.core.chinacloudapi.cn/",
            ),
            (
                "127.0.0.1:5000",
                Some("azurechinacloud"),
                "https://login.chinacloudapi.cn/",
                "https://management.core.chinacloudapi.cn/",
            ),
        ];
        for (server, environment, authority, management) in table {
            let data: Vec<_> = environment.map(|name| ("environment", name)).into_iter().collect();
            let cloud = cloud(server, &data).expect(server);
            assert_eq!(
                (cloud.authority.as_str(), cloud.resources[0].as_str()),
                (authority, management),
                "{server}"
            );
        }
    }

    #[test]
    fn what_the_connection_says_wins() {
        let said = [
            ("activeDirectoryAuthority", "https://login.example"),
            ("activeDirectoryServiceEndpointResourceId", "https://management.example"),
        ];
        let cloud_of =
            |environment| cloud("r.stack.example", &[&said[..], &[("environment", environment)]].concat());
        assert_eq!(
            cloud_of("AzureStack").expect("it is whole"),
            Cloud {
                authority: Url::parse("https://login.example/").expect("a URL"),
                resources: vec!["https://management.example".to_owned()],
            }
        );
        let text = error::render(&cloud_of("AzureCloud").expect_err("a strange host"));
        assert!(
            text.starts_with("input `containerRegistry`: `r.stack.example` is no host of Azure"),
            "{text}"
        );
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let table = [
            (
                "r.stack.example",
                vec![("environment", "AzureStack")],
                "input `containerRegistry`: the service connection to Azure Stack has no `activeDirectoryAuthority`",
            ),
            (
                "c.azurecr.io",
                vec![("activeDirectoryAuthority", "http://login.example")],
                "input `containerRegistry`: the service connection's authority is no https URL: `http://login.example`",
            ),
        ];
        for (server, data, expected) in table {
            assert_eq!(cloud(server, &data).expect_err(expected).to_string(), expected);
        }
        for server in ["evilazurecr.io", "c.azurecr.io.evil.example", "azurecr.io"] {
            cloud(server, &[]).expect_err(server);
        }
    }
}
