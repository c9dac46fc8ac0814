//! The logins of the run: those of `containerRegistry`, and those that somebody wrote into the docker config. What ends
//! is fetched again, each time by a fresh token of its identity, so that a push after hours of building finds a login.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use secrecy::{SecretSlice, SecretString};

use super::acr::{self, Exchange};
use super::client::authorities;
use super::helper;
use super::login::Login;
use super::reference::server_address;
use crate::agent::endpoint::SystemConnection;
use crate::agent::env::Env;
use crate::agent::network::Network;
use crate::agent::registry_connection::{Access, IdentityKind, RegistryConnection, RegistryIdentity};
use crate::buildx;
use crate::console::Console;
use crate::credential::federation::Federation;
use crate::credential::{managed_identity, renewal};
use crate::error;
use crate::http::Client;

/// What fetching a login depends on.
#[derive(Debug)]
pub struct Fetcher<'a> {
    /// The agent's environment.
    pub env: &'a Env,
    /// How the network is reached.
    pub network: &'a Network,
    /// Where secrets are masked and what fails is told.
    pub console: &'a Console,
    /// How long one request may take.
    pub timeout: Duration,
}

/// The logins, by registry.
#[derive(Debug)]
pub struct Logins<'a> {
    fetcher: Fetcher<'a>,
    entries: Vec<Entry<'a>>,
}

#[derive(Debug)]
struct Entry<'a> {
    server: String,
    /// Who fetches it, if it ends.
    identity: Option<&'a RegistryIdentity>,
    held: RefCell<Option<Held>>,
}

#[derive(Debug, Clone)]
struct Held {
    login: Login,
    /// When to fetch it again.
    renewal: Option<SystemTime>,
}

impl<'a> Logins<'a> {
    /// The logins of `connections`, and for other registries those of the docker config. Nothing is fetched yet.
    #[must_use]
    pub fn new(fetcher: Fetcher<'a>, connections: &'a [RegistryConnection], config: Vec<Login>) -> Self {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let of_connections = connections.iter().map(|connection| {
            let identity = match &connection.access {
                Access::Identity(identity) => Some(identity),
                _ => None,
            };
            (server_address(&connection.registry), identity, Login::held_by(connection))
        });
        let of_config = config.into_iter().map(|login| (login.server.clone(), None, Some(login)));
        for (server, identity, login) in of_connections.chain(of_config) {
            if let Some(login) = &login {
                mask(fetcher.console, login);
            }
            // The first wins: a registry knows one login at a time.
            if !entries.iter().any(|entry| entry.server == server) {
                let held = RefCell::new(login.map(|login| Held { login, renewal: None }));
                entries.push(Entry { server, identity, held });
            }
        }
        Self { fetcher, entries }
    }

    /// The registries that have a login.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.server.as_str())
    }

    /// The login to `server`, if there is one; fetched now if there was none yet or it is about to end.
    pub async fn get(&self, server: &str) -> anyhow::Result<Option<Login>> {
        match self.entries.iter().find(|entry| entry.server == server) {
            Some(entry) => self.usable(entry).await.map(Some),
            None => Ok(None),
        }
    }

    /// Fetches every login that is missing or about to end.
    pub async fn refresh(&self) -> anyhow::Result<()> {
        for entry in &self.entries {
            self.usable(entry).await?;
        }
        Ok(())
    }

    /// Fetches every login that is about to end; an error if one cannot be had, though the old one may serve a while. One
    /// that fails keeps no other from its turn.
    pub async fn renew(&self) -> anyhow::Result<()> {
        let mut result = Ok(());
        for entry in &self.entries {
            let fetched = self.fresh(entry).await;
            result = result.and(fetched.map(drop));
        }
        result
    }

    /// When to call [`Logins::renew`] next, if ever.
    #[must_use]
    pub fn renewal(&self) -> Option<SystemTime> {
        self.entries.iter().filter_map(|entry| entry.held.borrow().as_ref()?.renewal).min()
    }

    /// What is at hand, as our credential helper reads it to tell `client`.
    pub fn encode(&self, client: &buildx::client::Client) -> anyhow::Result<SecretSlice<u8>> {
        let logins: Vec<Login> = self
            .entries
            .iter()
            .filter_map(|entry| Some(entry.held.borrow().as_ref()?.login.clone()))
            .collect();
        helper::encode(&logins, client)
    }

    /// A fresh login, or with a warning the old one, if that has not ended.
    async fn usable(&self, entry: &Entry<'_>) -> anyhow::Result<Login> {
        match self.fresh(entry).await {
            Ok(held) => Ok(held.login),
            Err(error) => {
                let valid = |held: &Held| held.login.expires.is_none_or(|end| SystemTime::now() < end);
                let Some(held) = entry.held.borrow().clone().filter(valid) else { return Err(error) };
                let error = error.context("a registry's login is used that is about to end");
                self.fetcher.console.warning(&error::render(&error));
                Ok(held.login)
            }
        }
    }

    async fn fresh(&self, entry: &Entry<'_>) -> anyhow::Result<Held> {
        let held = entry.held.borrow().clone();
        let identity = match (held, entry.identity) {
            (Some(held), None) => return Ok(held),
            (Some(held), Some(_)) if held.renewal.is_some_and(|at| SystemTime::now() < at) => {
                return Ok(held);
            }
            (_, identity) => identity.context("a login is held or fetched")?,
        };
        // On the heap: three exchanges deep, it would make every future above it large.
        let login = Box::pin(self.fetcher.fetch(&entry.server, identity)).await.with_context(|| {
            format!(
                "registry `{}` gave no login to the service connection in `containerRegistry` (scheme `{}`)",
                entry.server,
                identity.kind.scheme()
            )
        })?;
        let renewal = login.expires.map(|end| renewal(SystemTime::now(), end));
        let held = Held { login, renewal };
        *entry.held.borrow_mut() = Some(held.clone());
        Ok(held)
    }
}

impl Fetcher<'_> {
    /// Has the registry exchange an Entra token; one that was made for registries if it does not take the usual one.
    async fn fetch(&self, server: &str, identity: &RegistryIdentity) -> anyhow::Result<Login> {
        // Whom the registry's own CAs vouch for is not believed to be Entra.
        let registry = Client::new(self.network, true, &authorities(server), self.timeout)?;
        let mut refusal = None;
        for resource in &identity.cloud.resources {
            match self.exchange(&registry, server, identity, resource).await {
                Ok(Exchange::Login(login)) => return Ok(login),
                Ok(Exchange::Refused(error)) => refusal = refusal.or(Some(error)),
                // What comes of a second try says less than the refusal before it.
                Err(error) => return Err(refusal.unwrap_or(error)),
            }
        }
        Err(refusal.context("the cloud has no resource")?)
    }

    async fn exchange(
        &self,
        registry: &Client,
        server: &str,
        identity: &RegistryIdentity,
        resource: &str,
    ) -> anyhow::Result<Exchange> {
        let token = self.entra_token(identity, resource).await?;
        self.console.mask("the Entra token", &token, &[]);
        let exchanged = acr::exchange(registry, server, identity.tenant.as_deref(), &token).await?;
        if let Exchange::Login(login) = &exchanged {
            mask(self.console, login);
        }
        Ok(exchanged)
    }

    async fn entra_token(&self, identity: &RegistryIdentity, resource: &str) -> anyhow::Result<SecretString> {
        match &identity.kind {
            IdentityKind::Managed(client_id) => {
                managed_identity::token(self.env, resource, client_id.as_deref()).await
            }
            IdentityKind::Federated(connection) => {
                let client = Client::new(self.network, true, &[], self.timeout)?;
                let system = SystemConnection::from_env(self.env)?;
                let federation =
                    Federation { client: &client, env: self.env, system: &system, console: self.console };
                let (authority, tenant) = (&identity.cloud.authority, &connection.tenant);
                Ok(federation.token(connection, authority, tenant, resource).await?.secret)
            }
        }
    }
}

fn mask(console: &Console, login: &Login) {
    let name = format!("the password of registry `{}`", login.server);
    console.mask(&name, &login.secret, &[&login.username]);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::registry::login::Holder;

    fn login(server: &str, secret: &str, expires: Option<SystemTime>) -> Login {
        let (server, username) = (server.to_owned(), "ci".to_owned());
        Login { server, username, secret: secret.into(), holder: Holder::DockerConfig, expires }
    }

    /// A connection whose identity gets no token: its machine is said to be another one.
    fn environment() -> Env {
        Env::from_iter([
            ("ENDPOINT_AUTH_SCHEME_a", "ManagedServiceIdentity"),
            ("ENDPOINT_AUTH_PARAMETER_a_LOGINSERVER", "contoso.azurecr.io"),
            ("ENDPOINT_DATA_a_REGISTRYTYPE", "ACR"),
            ("ENDPOINT_AUTH_SCHEME_b", "UsernamePassword"),
            ("ENDPOINT_AUTH_PARAMETER_b_REGISTRY", "https://b.example"),
            ("ENDPOINT_AUTH_PARAMETER_b_USERNAME", "ci"),
            ("ENDPOINT_AUTH_PARAMETER_b_PASSWORD", "canary-of-connection"),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://metadata.example"),
        ])
    }

    fn with_logins(test: impl AsyncFnOnce(Logins<'_>)) {
        let (env, network, console) = (environment(), Network::default(), Console::default());
        let connections = RegistryConnection::list(&env, "a,b").expect("both are whole");
        let fetcher =
            Fetcher { env: &env, network: &network, console: &console, timeout: Duration::from_secs(1) };
        let config =
            vec![login("b.example", "canary-of-config", None), login("c.example", "canary-of-c", None)];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(test(Logins::new(fetcher, &connections, config)));
    }

    #[test]
    fn a_connection_wins_over_the_docker_config() {
        with_logins(async |logins| {
            let servers: BTreeSet<&str> = logins.servers().collect();
            assert_eq!(servers, ["b.example", "c.example", "contoso.azurecr.io"].into());
            for (server, secret) in [("b.example", "canary-of-connection"), ("c.example", "canary-of-c")] {
                let login = logins.get(server).await.expect("held").expect("known");
                assert_eq!(login.secret.expose_secret(), secret);
            }
            assert!(logins.get("d.example").await.expect("not asked for").is_none());
        });
    }

    #[test]
    fn a_login_that_cannot_be_renewed_serves_until_its_end() {
        with_logins(async |logins| {
            let error = logins.get("contoso.azurecr.io").await.expect_err("there is no machine");
            assert_eq!(
                error.to_string(),
                "registry `contoso.azurecr.io` gave no login to the service connection in `containerRegistry` (scheme \
                 `ManagedServiceIdentity`)"
            );
            let now = SystemTime::now();
            let hold = |end: SystemTime| {
                let held =
                    Held { login: login("contoso.azurecr.io", "canary-old", Some(end)), renewal: Some(now) };
                *logins.entries[0].held.borrow_mut() = Some(held);
            };
            hold(now + Duration::from_mins(1));
            let old = logins.get("contoso.azurecr.io").await.expect("it has not ended").expect("known");
            assert_eq!(old.secret.expose_secret(), "canary-old");
            logins.refresh().await.expect("it has not ended");
            logins.renew().await.expect_err("it is to be renewed");
            hold(now);
            logins.refresh().await.expect_err("it has ended");
        });
    }
}
