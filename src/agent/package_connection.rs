//! Service connections for packages: one of another organization's, or another company's, feeds and registries.

use secrecy::SecretString;

use super::connection::Connection;
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

/// Reads the connections that `ids` names in `input`.
pub fn package_connections(
    env: &Env,
    input: &'static str,
    protocol: Protocol,
    ids: &str,
) -> anyhow::Result<Vec<Origin>> {
    let connections = Connection::find_list(env, input, ids)?;
    connections
        .iter()
        .map(|connection| Ok(Origin::Connection { protocol, source: source(connection, protocol)? }))
        .collect()
}

fn source(connection: &Connection<'_>, protocol: Protocol) -> anyhow::Result<Source> {
    let credential = credential(connection, protocol)?;
    let mut url = connection.url()?;
    let slash = matches!(protocol, Protocol::PyPi | Protocol::Npm | Protocol::Cargo);
    if slash && !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    let name = connection.data("repositoryid").or_else(|| connection.data("endpointname"));
    let host = url.host_str().unwrap_or_default();
    let name = name.map_or_else(|| host.replace('.', "-"), str::to_owned);
    Ok(Source { name, url, aliases: Vec::new(), credential })
}

fn credential(connection: &Connection<'_>, protocol: Protocol) -> anyhow::Result<Credential> {
    if connection.has_scheme("UsernamePassword") {
        let password = SecretString::from(connection.expect("password")?);
        return Ok(Credential::basic(connection.expect("username")?, password));
    }
    // A token is a password for clients of Basic; npm sends it as Bearer. Cargo would send it bare, which only the
    // public registry takes.
    if connection.has_scheme("Token") && protocol != Protocol::Cargo {
        let token = SecretString::from(connection.expect("apitoken")?);
        let kind = if protocol == Protocol::Npm { Scheme::Bearer } else { Scheme::Basic };
        return Ok(Credential { scheme: kind, ..Credential::basic(USERNAME, token) });
    }
    Err(hinted(
        format!(
            "input `{}`: the service connection's scheme `{}` opens nothing that a build reads",
            connection.input,
            connection.scheme()
        ),
        "use a service connection with a user name and a password (an API key of NuGet can only publish)",
    ))
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
