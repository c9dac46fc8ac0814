//! Service connections to container registries (`dockerregistry`), of every kind that the service makes.

use secrecy::SecretString;

use super::connection::{Connection, FederatedConnection};
use super::env::Env;
use crate::credential::cloud::Cloud;
use crate::error::hinted;
use crate::registry::reference::server_address;

const INPUT: &str = "containerRegistry";

/// A connection to a registry.
#[derive(Debug, Clone)]
pub struct RegistryConnection {
    /// The registry as the connection writes it, a URL or a host; the login server of Azure Container Registry.
    pub registry: String,
    /// What opens it.
    pub access: Access,
}

/// What opens a registry.
#[derive(Debug, Clone)]
pub enum Access {
    /// A user name and a password.
    Password {
        /// The user name.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// The id and a key of a service principal, which Azure Container Registry takes as they are.
    ServicePrincipal {
        /// The application's id.
        id: String,
        /// The key.
        key: SecretString,
    },
    /// An identity whose Entra token Azure Container Registry exchanges for a login.
    Identity(RegistryIdentity),
}

/// Who logs in to Azure Container Registry without a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryIdentity {
    /// By which way it gets its Entra token.
    pub kind: IdentityKind,
    /// The registry's tenant, if the connection names it.
    pub tenant: Option<String>,
    /// The registry's cloud.
    pub cloud: Cloud,
}

/// By which way an identity gets its Entra token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityKind {
    /// The managed identity of the agent's machine; by its client id if that has several.
    Managed(Option<String>),
    /// Workload identity federation.
    Federated(FederatedConnection),
}

impl IdentityKind {
    /// The scheme of the service connection.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self {
            Self::Managed(_) => "ManagedServiceIdentity",
            Self::Federated(_) => "WorkloadIdentityFederation",
        }
    }
}

impl RegistryConnection {
    /// Reads the connections that `ids` names in the input `containerRegistry`.
    pub fn list(env: &Env, ids: &str) -> anyhow::Result<Vec<Self>> {
        Connection::find_list(env, INPUT, ids)?.iter().map(Self::of).collect()
    }

    /// What the user should know of connections to one and the same registry.
    #[must_use]
    pub fn warnings(connections: &[Self]) -> Vec<String> {
        let servers: Vec<String> =
            connections.iter().map(|connection| server_address(&connection.registry)).collect();
        let again = servers.iter().enumerate().filter(|(number, server)| servers[..*number].contains(server));
        again
            .map(|(_, server)| {
                format!(
                    "`{INPUT}` names two service connections for `{server}`; the first is used, since docker knows one \
                     login of a registry"
                )
            })
            .collect()
    }

    fn of(connection: &Connection<'_>) -> anyhow::Result<Self> {
        // docker-common compares `ACR` exactly, the agent in any case.
        if connection.data("registrytype").is_some_and(|kind| kind.eq_ignore_ascii_case("ACR")) {
            return Self::of_azure(connection);
        }
        let is_password = connection.has_scheme("UsernamePassword");
        if connection.parameter("registry").is_none() || !is_password {
            return Err(hinted(
                format!(
                    "input `{INPUT}`: the service connection (scheme `{}`) is no Docker registry's with a user name and a \
                     password, nor one of Azure Container Registry",
                    connection.scheme()
                ),
                "use a service connection of type `Docker Registry` (Project settings > Service connections); one of type \
                 `Azure Resource Manager` names no registry",
            ));
        }
        Ok(Self {
            registry: connection.expect("registry")?.to_owned(),
            access: Access::Password {
                username: connection.expect("username")?.to_owned(),
                password: connection.expect("password")?.into(),
            },
        })
    }

    fn of_azure(connection: &Connection<'_>) -> anyhow::Result<Self> {
        let server = server_address(connection.expect("loginServer")?);
        let tenant = connection.parameter("tenantid").map(str::to_owned);
        let identity = |kind| -> anyhow::Result<_> {
            Ok(Access::Identity(RegistryIdentity { kind, tenant, cloud: Cloud::of(connection, &server)? }))
        };
        let access = if connection.has_scheme("ServicePrincipal") {
            service_principal(connection)?
        } else if connection.has_scheme("ManagedServiceIdentity") {
            identity(IdentityKind::Managed(connection.data("msiClientId").map(str::to_owned)))?
        } else if connection.has_scheme("WorkloadIdentityFederation") {
            identity(IdentityKind::Federated(FederatedConnection::of(connection)?))?
        } else {
            return Err(hinted(
                format!(
                    "input `{INPUT}`: the service connection to `{server}` has the scheme `{}`, by which nobody logs in to \
                     Azure Container Registry",
                    connection.scheme()
                ),
                "use a Docker registry service connection of type `Azure Container Registry` with workload identity \
                 federation, a managed identity or a service principal",
            ));
        };
        Ok(Self { registry: server, access })
    }
}

fn service_principal(connection: &Connection<'_>) -> anyhow::Result<Access> {
    let kind = connection.parameter("authenticationType").unwrap_or_default();
    let certificate = connection.parameter("servicePrincipalCertificate").is_some();
    if kind.eq_ignore_ascii_case("spnCertificate")
        || (certificate && connection.parameter("serviceprincipalkey").is_none())
    {
        return Err(hinted(
            format!(
                "input `{INPUT}`: the service connection's service principal has a certificate, by which no registry can be \
                 logged in to"
            ),
            "use a Docker registry service connection of type `Azure Container Registry` with workload identity federation, \
             or give the service principal a key",
        ));
    }
    Ok(Access::ServicePrincipal {
        id: connection.expect("serviceprincipalid")?.to_owned(),
        key: connection.expect("serviceprincipalkey")?.into(),
    })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::error;

    const ID: &str = "3fae2b5c-0000-4000-8000-000000000001";

    fn read(
        scheme: &str,
        parameters: &[(&str, &str)],
        data: &[(&str, &str)],
    ) -> anyhow::Result<RegistryConnection> {
        let mut env = vec![
            (format!("ENDPOINT_URL_{ID}"), "https://hub.docker.com/".to_owned()),
            (format!("ENDPOINT_AUTH_SCHEME_{ID}"), scheme.to_owned()),
        ];
        for (prefix, pairs) in [("AUTH_PARAMETER", parameters), ("DATA", data)] {
            env.extend(pairs.iter().map(|(key, value)| {
                (format!("ENDPOINT_{prefix}_{ID}_{}", key.to_uppercase()), (*value).to_owned())
            }));
        }
        let mut read = RegistryConnection::list(&env.into_iter().collect(), &format!(" {ID} ,"))?;
        Ok(read.remove(0))
    }

    const AZURE: (&str, &str) = ("registrytype", "acr");
    const SERVER: (&str, &str) = ("loginServer", "Contoso.azurecr.io");

    #[test]
    fn a_password_is_read_and_never_shown() {
        let parameters =
            [("registry", "https://registry.example"), ("username", "ci"), ("password", "s3cret")];
        let connection =
            read("usernamepassword", &parameters, &[("registrytype", "Others")]).expect("it is whole");
        let Access::Password { username, password } = &connection.access else { panic!("{connection:?}") };
        assert_eq!(
            (connection.registry.as_str(), username.as_str(), password.expose_secret()),
            ("https://registry.example", "ci", "s3cret")
        );
        assert!(!format!("{connection:?}").contains("s3cret"));
    }

    #[test]
    fn a_service_principal_is_read_and_its_key_never_shown() {
        let parameters = [SERVER, ("serviceprincipalid", "app"), ("serviceprincipalkey", "s3cret")];
        let connection = read("ServicePrincipal", &parameters, &[AZURE]).expect("it is whole");
        let Access::ServicePrincipal { id, key } = &connection.access else { panic!("{connection:?}") };
        assert_eq!(
            (connection.registry.as_str(), id.as_str(), key.expose_secret()),
            ("contoso.azurecr.io", "app", "s3cret")
        );
        assert!(!format!("{connection:?}").contains("s3cret"));
    }

    #[test]
    fn identities_are_read() {
        let federated = [SERVER, ("tenantId", "t"), ("servicePrincipalId", "app")];
        let connection = read("WorkloadIdentityFederation", &federated, &[AZURE]).expect("it is whole");
        let Access::Identity(identity) = connection.access else { panic!("{connection:?}") };
        let expected = FederatedConnection {
            input: "containerRegistry",
            id: ID.to_owned(),
            client_id: "app".to_owned(),
            tenant: "t".to_owned(),
        };
        assert_eq!(
            (identity.kind, identity.tenant.as_deref()),
            (IdentityKind::Federated(expected), Some("t"))
        );

        let data = [AZURE, ("msiclientId", "its-client-id")];
        let connection = read("ManagedServiceIdentity", &[SERVER], &data).expect("it is whole");
        let Access::Identity(identity) = connection.access else { panic!("{connection:?}") };
        assert_eq!(identity.kind, IdentityKind::Managed(Some("its-client-id".to_owned())));
        assert_eq!(identity.tenant, None);
    }

    #[test]
    fn what_cannot_log_in_is_told_with_the_way_out() {
        let others = "input `containerRegistry`: the service connection (scheme `SCHEME`) is no Docker registry's with a user \
                      name and a password, nor one of Azure Container Registry\n\nhint: use a service connection of type \
                      `Docker Registry` (Project settings > Service connections); one of type `Azure Resource Manager` names \
                      no registry";
        let certificate = "input `containerRegistry`: the service connection's service principal has a certificate, by which no \
                           registry can be logged in to\n\nhint: use a Docker registry service connection of type `Azure \
                           Container Registry` with workload identity federation, or give the service principal a key";
        let spn = ("authenticationType", "spnCertificate");
        let table: [(&str, &[_], &[_], String); 7] = [
            ("Token", &[("registry", "x"), ("apitoken", "x")], &[], others.replace("SCHEME", "Token")),
            ("UsernamePassword", &[("username", "x")], &[], others.replace("SCHEME", "UsernamePassword")),
            (
                "UsernamePassword",
                &[("registry", "x"), ("username", "ci")],
                &[],
                "input `containerRegistry`: the service connection has no `password`".to_owned(),
            ),
            ("ServicePrincipal", &[SERVER, spn], &[AZURE], certificate.to_owned()),
            ("ServicePrincipal", &[SERVER, ("servicePrincipalCertificate", "x")], &[AZURE], certificate.to_owned()),
            (
                "ServicePrincipal",
                &[SERVER, ("serviceprincipalid", "app")],
                &[AZURE],
                "input `containerRegistry`: the service connection has no `serviceprincipalkey`".to_owned(),
            ),
            (
                "UsernamePassword",
                &[SERVER],
                &[AZURE],
                "input `containerRegistry`: the service connection to `contoso.azurecr.io` has the scheme \
                 `UsernamePassword`, by which nobody logs in to Azure Container Registry\n\nhint: use a Docker registry \
                 service connection of type `Azure Container Registry` with workload identity federation, a managed \
                 identity or a service principal"
                    .to_owned(),
            ),
        ];
        for (scheme, parameters, data, expected) in table {
            assert_eq!(error::render(&read(scheme, parameters, data).expect_err(&expected)), expected);
        }
    }
}
