//! A login to a registry: who it is, and what to do if the registry refuses it.

use std::time::SystemTime;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::reference::server_address;
use crate::agent::registry_connection::{Access, RegistryConnection};

/// The user name that stands for an identity token: the secret is a refresh token (docker-credential-helpers).
pub const IDENTITY_TOKEN: &str = "<token>";

/// Whose a login is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A service connection's user.
    User,
    /// A service connection's service principal.
    ServicePrincipal,
    /// An identity for which a service connection stands.
    Identity,
    /// Somebody who logged in before this step.
    DockerConfig,
}

/// A login to one registry.
#[derive(Debug, Clone)]
pub struct Login {
    /// The registry as docker asks for it: `host[:port]`, for Docker Hub `https://index.docker.io/v1/`.
    pub server: String,
    /// The user name; [`IDENTITY_TOKEN`] if the secret is one.
    pub username: String,
    /// The password or identity token.
    pub secret: SecretString,
    /// Whose it is.
    pub holder: Holder,
    /// When it ends, if it does.
    pub expires: Option<SystemTime>,
}

impl Login {
    /// The login that a connection holds; `None` if it has to be fetched.
    #[must_use]
    pub fn held_by(connection: &RegistryConnection) -> Option<Self> {
        let (holder, username, secret) = match &connection.access {
            Access::Password { username, password } => (Holder::User, username, password),
            Access::ServicePrincipal { id, key } => (Holder::ServicePrincipal, id, key),
            Access::Identity(_) => return None,
        };
        let server = server_address(&connection.registry);
        Some(Self { server, username: username.clone(), secret: secret.clone(), holder, expires: None })
    }

    /// The login as the engine's API takes it (`AuthConfig`).
    #[must_use]
    pub fn auth_config(&self) -> Value {
        let kind = if self.username == IDENTITY_TOKEN { "identitytoken" } else { "password" };
        json!({"username": self.username, kind: self.secret.expose_secret(), "serveraddress": self.server})
    }

    /// What may let this login push to `repository`.
    #[must_use]
    pub fn mend(&self, repository: &str) -> String {
        let user = &self.username;
        match self.holder {
            Holder::User => format!(
                "check that user `{user}` of the service connection in `containerRegistry` has the right password and may \
                 push to `{repository}`"
            ),
            Holder::ServicePrincipal => {
                "check that the key of the service principal in the service connection of \
                 `containerRegistry` has not ended, and that it has the role `AcrPush` on the registry"
                    .to_owned()
            }
            Holder::Identity => {
                "give the identity of the service connection in `containerRegistry` the role `AcrPush` on \
                 the registry (in the Azure portal: its page > Access control)"
                    .to_owned()
            }
            Holder::DockerConfig => format!(
                "the login of an earlier step is used: check that its user may push to `{repository}`, or set \
                 `containerRegistry` to a service connection for this registry"
            ),
        }
    }
}
