//! What the client is fed and what may end before the build does.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use super::client::Client;
use crate::acquire::{Acquired, Acquirer};
use crate::console::Console;
use crate::error;
use crate::feeder::Feeder;
use crate::registry::logins::Logins;

/// How long to wait after a renewal that failed.
const RENEWAL_PAUSE: Duration = Duration::from_secs(20);

/// The secrets of the catalogue and the logins of registries: those at hand before the build, and who gets them again
/// when one ends.
#[derive(Debug, Clone, Copy)]
pub struct Supply<'a> {
    /// Acquired before the build.
    pub first: &'a Acquired,
    /// Who acquires them again.
    pub source: Option<&'a Acquirer<'a>>,
    /// The logins of registries, who fetches them again as well.
    pub logins: &'a Logins<'a>,
}

impl Supply<'_> {
    /// Replaces secrets and logins in the feeder before they end, as long as it is polled.
    pub async fn keep_fresh(
        &self,
        feeder: &Feeder,
        client: &Client,
        console: &Console,
    ) -> anyhow::Result<Infallible> {
        let both = async {
            tokio::try_join!(
                self.keep_secrets_fresh(feeder, console),
                self.keep_logins_fresh(feeder, client, console)
            )
        };
        match both.await? {}
    }

    async fn keep_secrets_fresh(&self, feeder: &Feeder, console: &Console) -> anyhow::Result<Infallible> {
        let mut renewal = self.first.renewal;
        loop {
            let (Some(at), Some(source)) = (renewal, self.source) else {
                return std::future::pending().await;
            };
            until(at).await;
            match Box::pin(source.acquire()).await {
                Ok(fresh) => {
                    fresh.secrets.iter().try_for_each(|secret| feeder.replace(secret))?;
                    console.line("A credential was about to end; later instructions get a fresh one.");
                    renewal = fresh.renewal;
                }
                Err(error) => {
                    let error = error.context("a credential is about to end and cannot be renewed yet");
                    console.warning(&error::render(&error));
                    renewal = Some(SystemTime::now() + RENEWAL_PAUSE);
                }
            }
        }
    }

    async fn keep_logins_fresh(
        &self,
        feeder: &Feeder,
        client: &Client,
        console: &Console,
    ) -> anyhow::Result<Infallible> {
        let mut renewal = self.logins.renewal();
        loop {
            let Some(at) = renewal else { return std::future::pending().await };
            until(at).await;
            let renewed = self.logins.renew().await;
            feeder.replace_logins(&self.logins.encode(client)?)?;
            renewal = match renewed {
                Ok(()) => self.logins.renewal(),
                Err(error) => {
                    let error = error.context("a registry's login is about to end and cannot be renewed yet");
                    console.warning(&error::render(&error));
                    Some(SystemTime::now() + RENEWAL_PAUSE)
                }
            };
        }
    }
}

async fn until(time: SystemTime) {
    tokio::time::sleep(time.duration_since(SystemTime::now()).unwrap_or_default()).await;
}
