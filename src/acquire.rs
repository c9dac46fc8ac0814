//! Acquires what opens each source and renders the secrets that the build mounts; again, if one ends before the build.

use std::time::SystemTime;

use anyhow::Context as _;
use url::Url;

use crate::agent::endpoint::SystemConnection;
use crate::agent::env::Env;
use crate::agent::sources::{FeedToken, SourceInputs};
use crate::console::Console;
use crate::credential::federation::Federation;
use crate::credential::{Credential, USERNAME, renewal, session};
use crate::error::hinted;
use crate::feed::index::Protocol;
use crate::feed::lookup;
use crate::feed::service::Organization;
use crate::feed::source::Origin;
use crate::http::Client;
use crate::secret::catalogue::Asked;
use crate::secret::{Access, IndexOrder, Secret};

/// Everything that acquiring depends on.
#[derive(Debug)]
pub struct Acquirer<'a> {
    /// The agent's environment.
    pub env: &'a Env,
    /// Where tokens are masked and notices go.
    pub console: &'a Console,
    /// The HTTP client.
    pub client: Client,
    /// The job's organization and token.
    pub system: SystemConnection,
    /// Feeds and service connections.
    pub sources: &'a SourceInputs,
    /// The ids to render.
    pub entries: &'a [(String, Asked)],
    /// How pip's and uv's entries share the feeds.
    pub order: IndexOrder,
}

/// Secrets, ready to be fed.
#[derive(Debug, Default)]
pub struct Acquired {
    /// The secrets.
    pub secrets: Vec<Secret>,
    /// The sources that they open.
    pub origins: Vec<Origin>,
    /// Which tokens they hold, for people.
    pub tokens: Vec<&'static str>,
    /// When to acquire them again, if one of them ends.
    pub renewal: Option<SystemTime>,
}

impl Acquirer<'_> {
    /// Looks up the feeds, gets a credential for each source, and renders each entry.
    pub async fn acquire(&self) -> anyhow::Result<Acquired> {
        let job = Credential::token(self.system.token.clone(), None);
        let mut tokens = Vec::new();
        let (mut origins, federated) = tokio::try_join!(
            lookup::look_up(&self.client, &self.system, &self.sources.feeds, &job),
            // On the heap: three exchanges deep, it would make every future above it large.
            Box::pin(self.federate(&job))
        )?;
        if !origins.is_empty() {
            tokens.push(self.shorten_job_token(&mut origins, &job).await?);
        }
        for (origin, token) in federated {
            origins.push(origin);
            tokens.push(token);
        }
        for connection in &self.sources.connections {
            let credential = connection.credential();
            let name = format!("the secret of {}", connection.hosts().join(", "));
            self.console.mask(&name, &credential.secret, &[&credential.username]);
            origins.push(connection.clone());
            tokens.push("service connection");
        }
        tokens.sort_unstable();
        tokens.dedup();
        let access = Access {
            origins: &origins,
            order: self.order,
            scopes: &self.sources.scopes,
            job: Some((&self.system.collection, &job)),
        };
        let end = origins.iter().filter_map(|origin| origin.credential().expires).min();
        let render = |(id, asked): &(String, Asked)| {
            Ok(Secret { lasting: end.is_none(), ..Secret::text(id, &access.render(id, asked)?) })
        };
        let secrets = self.entries.iter().map(render).collect::<anyhow::Result<_>>()?;
        Ok(Acquired { secrets, origins, tokens, renewal: end.map(|end| renewal(SystemTime::now(), end)) })
    }

    /// The feeds by URL, each with its credential and that token's name.
    async fn federate(&self, job: &Credential) -> anyhow::Result<Vec<(Origin, &'static str)>> {
        let mut origins: Vec<(Origin, &'static str)> = Vec::new();
        let mut known: Vec<(Url, Credential, &'static str)> = Vec::new();
        for location in &self.sources.locations {
            if !known.iter().any(|(base, ..)| *base == location.base) {
                let (credential, token) = self.credential_for(&location.url, job).await?;
                known.push((location.base.clone(), credential, token));
            }
            let found = known.iter().find(|(base, ..)| *base == location.base);
            let (_, credential, token) = found.context("it was put there above")?;
            let origin = Origin::Feed {
                organization: location.organization.clone(),
                base: location.base.clone(),
                name: location.name.clone(),
                credential: credential.clone(),
            };
            origins.push((origin, *token));
        }
        Ok(origins)
    }

    async fn credential_for(
        &self,
        feed: &Url,
        job: &Credential,
    ) -> anyhow::Result<(Credential, &'static str)> {
        let Some(connection) = &self.sources.federated else {
            if Organization::of(&self.system.collection).owns(feed) {
                return Ok((job.clone(), "job access token"));
            }
            return Err(hinted(
                format!(
                    "input `feedUrl`: `{feed}` is of another organization, where the job access token is not sent"
                ),
                "set `workloadIdentityServiceConnection` to a service connection whose application is a user of that \
                 organization",
            ));
        };
        let federation =
            Federation { client: &self.client, env: self.env, system: &self.system, console: self.console };
        let entra = federation.feed_token(connection, feed).await?;
        if self.sources.token == FeedToken::Job {
            self.console.caution(
                "the Entra token in the build may also publish packages; `feedToken: auto` or `session` gives one that \
                 only reads",
            );
            return Ok((entra, "Entra token"));
        }
        let until = session::end_of_job(&self.system.token, SystemTime::now());
        match session::exchange(&self.client, feed, &entra, until).await {
            Ok(session) => {
                self.console.mask("the session token", &session.secret, &[USERNAME]);
                Ok((session, "session token"))
            }
            Err(error) if self.sources.token == FeedToken::Session => {
                Err(error.context("input `feedToken`: there is no session token"))
            }
            Err(error) => {
                self.console.notice(&format!("the Entra token is used as it is: {error:#}"));
                Ok((entra, "Entra token"))
            }
        }
    }

    /// With `feedToken: session`, a session token in the place of the job access token.
    async fn shorten_job_token(
        &self,
        origins: &mut [Origin],
        job: &Credential,
    ) -> anyhow::Result<&'static str> {
        if self.sources.token != FeedToken::Session {
            return Ok("job access token");
        }
        let feed = origins[0].source(Protocol::PyPi).context("a feed speaks every protocol")?.url;
        let until = session::end_of_job(&self.system.token, SystemTime::now());
        let session = session::exchange(&self.client, &feed, job, until)
            .await
            .context("input `feedToken`: there is no session token for the job")?;
        self.console.mask("the session token", &session.secret, &[USERNAME]);
        for origin in origins {
            if let Origin::Feed { credential, .. } = origin {
                *credential = session.clone();
            }
        }
        Ok("session token")
    }
}
