//! Session tokens of Azure DevOps: an Entra token is exchanged for one that may read packages and nothing else, for as
//! long as the job (credential provider, `VstsSessionTokenClient`).

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{Credential, expiry};
use crate::feed::answer;
use crate::http::{self, Client};

/// How long a token lasts if the job's own does not say; also the service's default.
const DEFAULT_LIFE: Duration = Duration::from_hours(4);

/// What the service gives at most.
const LONGEST_LIFE: Duration = Duration::from_hours(24);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionToken {
    token: SecretString,
    valid_to: Option<String>,
}

/// Exchanges `credential` for a session token that may read the packages of `feed`'s organization until `until`.
pub async fn exchange(
    client: &Client,
    feed: &Url,
    credential: &Credential,
    until: SystemTime,
) -> anyhow::Result<Credential> {
    let service = authorization_service(client, feed).await?;
    let url = service.join("_apis/Token/SessionTokens?tokenType=SelfDescribing&api-version=5.0-preview.1")?;
    let valid_to = humantime::format_rfc3339_seconds(until).to_string();
    let mut body = json!({"displayName": "feedbuild", "scope": "vso.packaging", "validTo": valid_to});
    let mut answer = post(client, &url, credential, &body).await?;
    if answer.status == StatusCode::BAD_REQUEST {
        // Some organizations cap the life of tokens below what was asked for; the service's default is within it.
        body.as_object_mut().map(|body| body.remove("validTo"));
        answer = post(client, &url, credential, &body).await?;
    }
    anyhow::ensure!(
        answer.status == StatusCode::OK,
        "`{}` gives no session token ({}){}",
        http::authority(&url),
        answer.status.as_u16(),
        answer::said(&answer)
    );
    let token: SessionToken =
        serde_json::from_slice(&answer.body).context("the session token cannot be read")?;
    Ok(Credential::token(token.token, token.valid_to.and_then(|text| early_end(&text, until))))
}

/// The end of a token, if that is before `until`: the service may give less than was asked for, and says so. What lasts
/// as long as the job needs no other, since a later one would end at the same time. A second is lost where a time is
/// written in whole ones.
fn early_end(valid_to: &str, until: SystemTime) -> Option<SystemTime> {
    let end = humantime::parse_rfc3339_weak(valid_to).ok()?;
    (end + Duration::from_secs(1) < until).then_some(end)
}

async fn post(
    client: &Client,
    url: &Url,
    credential: &Credential,
    body: &serde_json::Value,
) -> anyhow::Result<http::Answer> {
    // Without `Suppress` a refusal is a page to sign in.
    let request = || {
        client
            .post(url.clone())
            .bearer_auth(credential.secret.expose_secret())
            .header("X-TFS-FedAuthRedirect", "Suppress")
            .json(body)
    };
    client.send(request).await.context("cannot ask for a session token")
}

/// Where session tokens are made: a header of the answer to an unauthenticated request to the feed. A hostile feed could
/// name any host there, so only the service's own are taken.
async fn authorization_service(client: &Client, feed: &Url) -> anyhow::Result<Url> {
    let answer = client
        .send(|| client.get(feed.clone()).header("X-TFS-FedAuthRedirect", "Suppress"))
        .await
        .context("cannot ask where session tokens are made")?;
    let text = answer.headers.get("X-VSS-AuthorizationEndpoint").and_then(|url| url.to_str().ok());
    let text = text.with_context(|| format!("`{feed}` does not say where session tokens are made"))?;
    let mut url =
        Url::parse(text).with_context(|| format!("session tokens are said to be made at `{text}`"))?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    anyhow::ensure!(
        is_authorization_service(&url, feed),
        "session tokens are said to be made at `{url}`, which is not a host of Azure DevOps; nothing was sent there"
    );
    Ok(url)
}

fn is_authorization_service(url: &Url, feed: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let own = ["vssps.visualstudio.com", "vssps.dev.azure.com"]
        .iter()
        .any(|own| host == *own || host.strip_suffix(own).is_some_and(|rest| rest.ends_with('.')));
    let service = own && url.scheme() == "https" && url.port().is_none();
    service || (http::is_loopback(feed) && http::is_loopback(url))
}

/// When the job's own token ends, as far as it says so (`exp` of a JWT), within what the service allows.
#[must_use]
pub fn end_of_job(token: &SecretString, now: SystemTime) -> SystemTime {
    let end = expiry(token).unwrap_or(now + DEFAULT_LIFE);
    end.clamp(now, now + LONGEST_LIFE)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn only_hosts_of_the_service_make_session_tokens() {
        let url = |text: &str| Url::parse(text).expect("a URL");
        let feed = url("https://pkgs.dev.azure.com/contoso/_packaging/a/pypi/simple/");
        for good in ["https://vssps.dev.azure.com/contoso/", "https://contoso.vssps.visualstudio.com/"] {
            assert!(is_authorization_service(&url(good), &feed), "{good}");
        }
        for bad in [
            "http://vssps.dev.azure.com/contoso/",
            "https://evilvssps.dev.azure.com/",
            "https://vssps.dev.azure.com.evil.example/",
            "https://vssps.dev.azure.com:8443/",
            "http://127.0.0.1:1/",
        ] {
            assert!(!is_authorization_service(&url(bad), &feed), "{bad}");
        }
    }

    #[test]
    fn only_a_session_that_ends_before_the_job_is_to_be_renewed() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let until = at(3600) + Duration::from_millis(900);
        let end = |text: &str| early_end(text, until);
        assert_eq!(end("1970-01-01T00:30:00Z"), Some(at(1800)));
        assert_eq!(end("1970-01-01T00:59:59.5Z"), Some(at(3599) + Duration::from_millis(500)));
        assert_eq!(
            (end("1970-01-01T01:00:00Z"), end("1970-01-01T02:00:00Z"), end("soon")),
            (None, None, None)
        );
    }

    #[test]
    fn a_session_is_as_long_as_the_job() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let jwt = |claims: &str| SecretString::from(format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims)));
        let end =
            |token: &SecretString| end_of_job(token, now).duration_since(now).expect("not before").as_secs();
        assert_eq!(end(&jwt(r#"{"exp": 4600}"#)), 3600);
        assert_eq!(end(&jwt(r#"{"exp": 99999999}"#)), 24 * 3600);
        assert_eq!(end(&jwt(r#"{"exp": 1}"#)), 0);
        assert_eq!(end(&"opaque".into()), 4 * 3600);
    }
}
