//! Service connections for packages: one of another organization's, or another company's, feeds and registries.

use anyhow::Context as _;
use secrecy::SecretString;
use url::Url;

use super::env::Env;
use crate::credential::{Credential, Scheme, USERNAME};
use crate::error::hinted;
use crate::feed::index::Protocol;
use crate::feed::source::{Origin, Source};

/// The inputs that name service connections, and what these speak.
pub const INPUTS: [(&str, Protocol); 5] = [
    ("pythonDownloadServiceConnections", Protocol::PyPi),
    ("npmServiceConnections", Protocol::Npm),
    ("nuGetServiceConnections", Protocol::NuGet),
    ("mavenServiceConnections", Protocol::Maven),
    ("cargoServiceConnections", Protocol::Cargo),
];

/// Reads the connections that `ids` (GUIDs between commas) names in `input`.
pub fn package_connections(
    env: &Env,
    input: &'static str,
    protocol: Protocol,
    ids: &str,
) -> anyhow::Result<Vec<Origin>> {
    let ids = ids.split([',', '\n']).map(str::trim).filter(|id| !id.is_empty());
    ids.map(|id| {
        let connection = Connection { env, input, id: id.to_lowercase() };
        Ok(Origin::Connection { protocol, source: connection.source(protocol)? })
    })
    .collect()
}

/// A workload identity federation connection to Azure DevOps (`workloadidentityuser`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederatedConnection {
    /// Its id, for which the job asks an id token.
    pub id: String,
    /// The application that it stands for.
    pub client_id: String,
    /// The tenant that it names; a feed may be in another.
    pub tenant: String,
}

impl FederatedConnection {
    /// Reads the connection that `workloadIdentityServiceConnection` names.
    pub fn from_env(env: &Env, id: &str) -> anyhow::Result<Self> {
        let input = "workloadIdentityServiceConnection";
        let connection = Connection { env, input, id: id.to_lowercase() };
        let scheme = connection.scheme()?;
        if !scheme.eq_ignore_ascii_case("WorkloadIdentityFederation") {
            return Err(hinted(
                format!("input `{input}`: the service connection's scheme is `{scheme}`"),
                "use a service connection of type `Azure DevOps` with workload identity federation",
            ));
        }
        Ok(Self {
            client_id: connection.expect("SERVICEPRINCIPALID", "serviceprincipalid")?.to_owned(),
            tenant: connection.expect("TENANTID", "tenantid")?.to_owned(),
            id: connection.id,
        })
    }
}

struct Connection<'a> {
    env: &'a Env,
    input: &'static str,
    id: String,
}

impl<'a> Connection<'a> {
    fn scheme(&self) -> anyhow::Result<&'a str> {
        self.env.get(&format!("ENDPOINT_AUTH_SCHEME_{}", self.id)).or_else(|| self.parameter("SCHEME")).ok_or_else(
            || {
                hinted(
                    format!("input `{}`: service connection `{}` is not known to this job", self.input, self.id),
                    "use the name of a service connection that this pipeline is authorized to use (Project settings > \
                     Service connections)",
                )
            },
        )
    }

    fn parameter(&self, key: &str) -> Option<&'a str> {
        self.env.get(&format!("ENDPOINT_AUTH_PARAMETER_{}_{key}", self.id))
    }

    fn data(&self, key: &str) -> Option<&'a str> {
        self.env.get(&format!("ENDPOINT_DATA_{}_{key}", self.id))
    }

    fn expect(&self, key: &str, name: &str) -> anyhow::Result<&'a str> {
        self.parameter(key)
            .with_context(|| format!("input `{}`: the service connection has no `{name}`", self.input))
    }

    fn source(&self, protocol: Protocol) -> anyhow::Result<Source> {
        let credential = self.credential(protocol)?;
        let text = self
            .env
            .get(&format!("ENDPOINT_URL_{}", self.id))
            .with_context(|| format!("input `{}`: the service connection has no URL", self.input))?;
        let mut url = Url::parse(text).with_context(|| {
            format!("input `{}`: the service connection's URL is none: `{text}`", self.input)
        })?;
        let slash = matches!(protocol, Protocol::PyPi | Protocol::Npm | Protocol::Cargo);
        if slash && !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let name = self.data("REPOSITORYID").or_else(|| self.data("ENDPOINTNAME"));
        let host = url.host_str().unwrap_or_default();
        let name = name.map_or_else(|| host.replace('.', "-"), str::to_owned);
        Ok(Source { name, url, aliases: Vec::new(), credential })
    }

    fn credential(&self, protocol: Protocol) -> anyhow::Result<Credential> {
        let scheme = self.scheme()?;
        if scheme.eq_ignore_ascii_case("UsernamePassword") {
            let password = SecretString::from(self.expect("PASSWORD", "password")?);
            return Ok(Credential::basic(self.expect("USERNAME", "username")?, password));
        }
        // A token is a password for clients of Basic; npm sends it as Bearer. Cargo would send it bare, which only the
        // public registry takes.
        if scheme.eq_ignore_ascii_case("Token") && protocol != Protocol::Cargo {
            let token = SecretString::from(self.expect("APITOKEN", "apitoken")?);
            let kind = if protocol == Protocol::Npm { Scheme::Bearer } else { Scheme::Basic };
            return Ok(Credential { scheme: kind, ..Credential::basic(USERNAME, token) });
        }
        Err(hinted(
            format!(
                "input `{}`: the service connection's scheme `{scheme}` opens nothing that a build reads",
                self.input
            ),
            "use a service connection with a user name and a password (an API key of NuGet can only publish)",
        ))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::error;

    const ID: &str = "3fae2b5c-0000-4000-8000-00000000000a";

    fn env(scheme: &str, parameters: &[(&str, &str)]) -> Env {
        let mut pairs = vec![
            (format!("ENDPOINT_AUTH_SCHEME_{ID}"), scheme.to_owned()),
            (format!("ENDPOINT_URL_{ID}"), "https://packages.example/simple".to_owned()),
        ];
        pairs.extend(
            parameters
                .iter()
                .map(|(key, value)| (format!("ENDPOINT_AUTH_PARAMETER_{ID}_{key}"), (*value).to_owned())),
        );
        pairs.into_iter().collect()
    }

    #[test]
    fn a_user_name_and_a_password_open_every_protocol() {
        let env = env("UsernamePassword", &[("USERNAME", "me"), ("PASSWORD", "p@ss")]);
        for (input, protocol) in INPUTS {
            let origins = package_connections(&env, input, protocol, &format!(" {} ,", ID.to_uppercase()))
                .expect(input);
            let source = origins[0].source(protocol).expect("it speaks its own protocol");
            assert_eq!(
                (source.name.as_str(), source.credential.username.as_str()),
                ("packages-example", "me")
            );
            assert_eq!(source.credential.secret.expose_secret(), "p@ss");
        }
    }

    #[test]
    fn a_token_is_bearer_for_npm_and_a_password_elsewhere() {
        let env = env("Token", &[("APITOKEN", "t")]);
        for (protocol, scheme) in [(Protocol::Npm, Scheme::Bearer), (Protocol::PyPi, Scheme::Basic)] {
            let origins = package_connections(&env, "x", protocol, ID).expect("a token serves");
            assert_eq!(origins[0].credential().scheme, scheme);
        }
    }

    #[test]
    fn what_cannot_serve_is_named() {
        let table = [
            ("None", Protocol::NuGet, "`None`"),
            ("PrivateKey", Protocol::Maven, "`PrivateKey`"),
            ("Token", Protocol::Cargo, "`Token`"),
            ("UsernamePassword", Protocol::PyPi, "no `password`"),
        ];
        for (scheme, protocol, expected) in table {
            let error = package_connections(&env(scheme, &[]), "x", protocol, ID).expect_err(scheme);
            let text = error::render(&error);
            assert!(text.contains(expected), "{text}");
        }
    }
}
