//! Azure Container Registry takes no Entra token itself: it exchanges one for a login of some three hours (Azure/acr,
//! `AAD-OAuth.md`), with which docker and BuildKit go on by themselves.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::client::said;
use super::login::{Holder, Login};
use crate::credential::expiry;
use crate::error::hinted;
use crate::http::{Answer, Client};

/// The user name before a refresh token.
pub const USERNAME: &str = "00000000-0000-0000-0000-000000000000";

/// How long a refresh token lasts if it does not say so itself.
const LIFE: Duration = Duration::from_hours(3);

const NO_REGISTRY: &str =
    "check the login server of the service connection: what answers there is no Azure Container Registry";

#[derive(Deserialize)]
struct Exchanged {
    refresh_token: SecretString,
}

/// What came of an exchange.
#[derive(Debug)]
pub enum Exchange {
    /// A login.
    Login(Login),
    /// The registry does not take this token. Where its policy `azureADAuthenticationAsArmPolicy` is off it takes only
    /// tokens that were made for registries.
    Refused(anyhow::Error),
}

/// Exchanges an Entra token at the registry `server`.
pub async fn exchange(
    client: &Client,
    server: &str,
    tenant: Option<&str>,
    token: &SecretString,
) -> anyhow::Result<Exchange> {
    let url = Url::parse(&format!("https://{server}/oauth2/exchange"))
        .with_context(|| format!("`{server}` is no host"))?;
    let mut form =
        vec![("grant_type", "access_token"), ("service", server), ("access_token", token.expose_secret())];
    form.extend(tenant.map(|tenant| ("tenant", tenant)));
    let answer = client.send(|| client.post(url.clone()).form(&form)).await?;
    if answer.status == StatusCode::UNAUTHORIZED {
        return Ok(Exchange::Refused(refused(&url, &answer)));
    }
    if answer.status != StatusCode::OK {
        return Err(refused(&url, &answer));
    }
    let Ok(Exchanged { refresh_token }) = serde_json::from_slice(&answer.body) else {
        return Err(hinted(format!("what `{url}` answered is no login"), NO_REGISTRY));
    };
    let expires = expiry(&refresh_token).unwrap_or_else(|| SystemTime::now() + LIFE);
    Ok(Exchange::Login(Login {
        server: server.to_owned(),
        username: USERNAME.to_owned(),
        secret: refresh_token,
        holder: Holder::Identity,
        expires: Some(expires),
    }))
}

fn refused(url: &Url, answer: &Answer) -> anyhow::Error {
    let attempts = match answer.attempts {
        1 => String::new(),
        attempts => format!(", {attempts} attempts"),
    };
    let message = format!("`{url}` answered {}{attempts}{}", answer.status.as_u16(), said(answer));
    let hint = match answer.status {
        StatusCode::UNAUTHORIZED => {
            "check that the registry is of the service connection's tenant, and that its identity has a role there \
             (`AcrPush` to push, `AcrPull` to pull)"
        }
        StatusCode::FORBIDDEN => {
            "let this agent through the registry's firewall (in the Azure portal: its page > Networking), or run the job on \
             an agent within its network"
        }
        status if status == StatusCode::NOT_FOUND || status.is_redirection() => NO_REGISTRY,
        StatusCode::TOO_MANY_REQUESTS => "run the job again later; the registry limits how often it is asked",
        _ => return anyhow::Error::msg(message),
    };
    hinted(message, hint)
}
