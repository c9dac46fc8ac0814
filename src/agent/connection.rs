//! Service connections as the agent passes them: `ENDPOINT_URL_<id>`, `ENDPOINT_AUTH_SCHEME_<id>`,
//! `ENDPOINT_AUTH_PARAMETER_<id>_<KEY>`, `ENDPOINT_DATA_<id>_<KEY>` (agent, `Handler.cs`).
//!
//! Rule: one reader for all kinds. Keys are those of the flattened variables, in capitals, so how the service spells
//! one does not matter.

use anyhow::Context as _;
use url::Url;

use super::env::Env;
use crate::error::hinted;

/// The scheme of a connection that names none, as in the task library.
const DEFAULT_SCHEME: &str = "ServicePrincipal";

/// A service connection that an input names.
#[derive(Debug, Clone)]
pub struct Connection<'a> {
    env: &'a Env,
    /// The input.
    pub input: &'static str,
    /// The connection's id, in lower case.
    pub id: String,
}

impl<'a> Connection<'a> {
    /// The connection with this id; an error if the job does not have it.
    pub fn find(env: &'a Env, input: &'static str, id: &str) -> anyhow::Result<Self> {
        let connection = Self { env, input, id: id.to_lowercase() };
        if ["URL", "AUTH", "AUTH_SCHEME"].iter().any(|what| connection.variable(what).is_some()) {
            return Ok(connection);
        }
        Err(hinted(
            format!("input `{input}`: service connection `{}` is not known to this job", connection.id),
            "use the name of a service connection that this pipeline is authorized to use (Project settings > Service \
             connections)",
        ))
    }

    /// The connections with these ids, between commas or on lines; one that is named twice is one.
    pub fn find_list(env: &'a Env, input: &'static str, ids: &str) -> anyhow::Result<Vec<Self>> {
        let mut connections: Vec<Self> = Vec::new();
        for id in ids.split([',', '\n']).map(str::trim).filter(|id| !id.is_empty()) {
            let connection = Self::find(env, input, id)?;
            if !connections.iter().any(|known| known.id == connection.id) {
                connections.push(connection);
            }
        }
        Ok(connections)
    }

    /// Its scheme. One that the connection does not name may be a parameter (docker-common, `getToken`).
    #[must_use]
    pub fn scheme(&self) -> &'a str {
        self.variable("AUTH_SCHEME").or_else(|| self.parameter("scheme")).unwrap_or(DEFAULT_SCHEME)
    }

    /// Whether this is its scheme, in any spelling.
    #[must_use]
    pub fn has_scheme(&self, scheme: &str) -> bool {
        self.scheme().eq_ignore_ascii_case(scheme)
    }

    /// A parameter of its scheme.
    #[must_use]
    pub fn parameter(&self, key: &str) -> Option<&'a str> {
        self.env.get(&format!("ENDPOINT_AUTH_PARAMETER_{}_{}", self.id, key.to_uppercase()))
    }

    /// A parameter of its scheme; an error that names it if it is missing.
    pub fn expect(&self, key: &str) -> anyhow::Result<&'a str> {
        self.parameter(key)
            .with_context(|| format!("input `{}`: the service connection has no `{key}`", self.input))
    }

    /// What else its form holds.
    #[must_use]
    pub fn data(&self, key: &str) -> Option<&'a str> {
        self.env.get(&format!("ENDPOINT_DATA_{}_{}", self.id, key.to_uppercase()))
    }

    /// Its URL.
    pub fn url(&self) -> anyhow::Result<Url> {
        let text = self
            .variable("URL")
            .with_context(|| format!("input `{}`: the service connection has no URL", self.input))?;
        Url::parse(text).with_context(|| {
            format!("input `{}`: the service connection's URL is none: `{text}`", self.input)
        })
    }

    fn variable(&self, what: &str) -> Option<&'a str> {
        self.env.get(&format!("ENDPOINT_{what}_{}", self.id))
    }
}

/// A connection with workload identity federation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederatedConnection {
    /// The input that names it.
    pub input: &'static str,
    /// Its id, for which the job asks an id token.
    pub id: String,
    /// The application that it stands for.
    pub client_id: String,
    /// The tenant that it names; a feed may be in another.
    pub tenant: String,
}

impl FederatedConnection {
    /// Reads the connection to Azure DevOps (`workloadidentityuser`) that `workloadIdentityServiceConnection` names.
    pub fn from_env(env: &Env, id: &str) -> anyhow::Result<Self> {
        let input = "workloadIdentityServiceConnection";
        let connection = Connection::find(env, input, id)?;
        if !connection.has_scheme("WorkloadIdentityFederation") {
            return Err(hinted(
                format!("input `{input}`: the service connection's scheme is `{}`", connection.scheme()),
                "use a service connection of type `Azure DevOps` with workload identity federation",
            ));
        }
        Self::of(&connection)
    }

    /// Reads the parameters of the scheme.
    pub fn of(connection: &Connection<'_>) -> anyhow::Result<Self> {
        Ok(Self {
            input: connection.input,
            id: connection.id.clone(),
            client_id: connection.expect("serviceprincipalid")?.to_owned(),
            tenant: connection.expect("tenantid")?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3fae2b5c-0000-4000-8000-00000000000a";

    fn scheme(pairs: &[(&str, &str)]) -> String {
        let pairs =
            pairs.iter().map(|(name, value)| (format!("ENDPOINT_{}", name.replace("ID", ID)), *value));
        let env = pairs.collect();
        Connection::find(&env, "x", &ID.to_uppercase()).expect("it is known").scheme().to_owned()
    }

    #[test]
    fn a_scheme_is_found_where_docker_tasks_look_for_it() {
        let parameter = ("AUTH_PARAMETER_ID_SCHEME", "ManagedServiceIdentity");
        assert_eq!(scheme(&[("AUTH_SCHEME_ID", "UsernamePassword"), parameter]), "UsernamePassword");
        assert_eq!(scheme(&[("URL_ID", "https://x"), parameter]), "ManagedServiceIdentity");
        assert_eq!(scheme(&[("URL_ID", "https://x")]), "ServicePrincipal");
    }

    #[test]
    fn what_a_connection_lacks_is_named() {
        let env = Env::from_iter([(format!("ENDPOINT_URL_{ID}"), "no url")]);
        let connection = Connection::find(&env, "x", ID).expect("it is known");
        assert_eq!(
            connection.expect("password").expect_err("none").to_string(),
            "input `x`: the service connection has no `password`"
        );
        assert_eq!(
            connection.url().expect_err("none").to_string(),
            "input `x`: the service connection's URL is none: `no url`"
        );
        assert_eq!(
            Connection::find(&env, "x", "other").expect_err("not given").to_string(),
            "input `x`: service connection `other` is not known to this job"
        );
        let twice = Connection::find_list(&env, "x", &format!(" {ID} ,\n{}", ID.to_uppercase()));
        assert_eq!(twice.expect("it is known").len(), 1);
    }
}
