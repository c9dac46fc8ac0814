//! Managed identities: the machine that the agent runs on is asked for a token of its own, by the two ways that the
//! Azure SDKs know. On a virtual machine that is the instance metadata service; in App Service and Container Apps it is
//! where `IDENTITY_ENDPOINT` says.
//!
//! Rule: no proxy, and plain http to addresses that no packet leaves this machine for.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use crate::agent::env::Env;
use crate::agent::network::Network;
use crate::error::{hint_context, hinted};
use crate::http::{self, Client};

/// The instance metadata service, the same address on every virtual machine of Azure.
const METADATA_SERVICE: &str = "http://169.254.169.254/";

/// It answers at once or, outside of Azure, never.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Token {
    access_token: SecretString,
}

#[derive(Deserialize)]
struct Refusal {
    error_description: Option<String>,
}

/// Where a machine's tokens are made, and the header that lets us in.
struct Endpoint {
    url: Url,
    header: (&'static str, SecretString),
}

/// A token for `resource`, of the identity with this client id if the machine has several.
pub async fn token(env: &Env, resource: &str, client_id: Option<&str>) -> anyhow::Result<SecretString> {
    let Endpoint { mut url, header: (name, value) } = endpoint(env)?;
    anyhow::ensure!(
        stays_here(&url),
        "tokens of the managed identity are said to be made at `{url}`, which is neither this machine nor reached by https"
    );
    url.query_pairs_mut().append_pair("resource", resource);
    if let Some(id) = client_id {
        url.query_pairs_mut().append_pair("client_id", id);
    }
    let client = Client::new(&Network::default(), url.scheme() == "https", &[], TIMEOUT)?;
    let host = http::authority(&url);
    let answer =
        client.send(|| client.get(url.clone()).header(name, value.expose_secret())).await.map_err(|error| {
            error.context(hint_context(
                format!("no managed identity can be asked for a token at `{host}`"),
                "run this job on an agent in Azure whose machine has a managed identity, or use a service connection with \
                 workload identity federation, which works on every agent",
            ))
        })?;
    if answer.status != StatusCode::OK {
        let said =
            serde_json::from_slice::<Refusal>(&answer.body).ok().and_then(|body| body.error_description);
        let said = said.map(|text| format!(": {text}")).unwrap_or_default();
        let message =
            format!("`{host}` gave no token of the managed identity ({}){said}", answer.status.as_u16());
        return Err(match answer.status {
            StatusCode::BAD_REQUEST if said.contains("Multiple user assigned identities") => hinted(
                message,
                "switch on the system-assigned identity of the agent's machine, which is then taken, or leave it one \
                 user-assigned identity",
            ),
            StatusCode::BAD_REQUEST => hinted(
                message,
                "give the agent's machine a managed identity (in the Azure portal: its page > Identity), and that identity \
                 the role `AcrPush` on the registry",
            ),
            _ => anyhow::Error::msg(message),
        });
    }
    let token: Token = serde_json::from_slice(&answer.body)
        .with_context(|| format!("what `{host}` answered is no token of a managed identity"))?;
    Ok(token.access_token)
}

/// As the Azure SDKs choose it.
fn endpoint(env: &Env) -> anyhow::Result<Endpoint> {
    if let (Some(text), Some(header)) = (env.get("IDENTITY_ENDPOINT"), env.secret("IDENTITY_HEADER")) {
        let mut url = Url::parse(text).context("variable `IDENTITY_ENDPOINT` is no URL")?;
        url.query_pairs_mut().append_pair("api-version", "2019-08-01");
        return Ok(Endpoint { url, header: ("X-IDENTITY-HEADER", header) });
    }
    let variable = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
    let base = Url::parse(env.get(variable).unwrap_or(METADATA_SERVICE))
        .with_context(|| format!("variable `{variable}` is no URL"))?;
    let mut url = base.join("/metadata/identity/oauth2/token")?;
    url.query_pairs_mut().append_pair("api-version", "2018-02-01");
    Ok(Endpoint { url, header: ("Metadata", SecretString::from("true")) })
}

/// Whether a token may travel from there: by https, or from loopback or a link-local address.
fn stays_here(url: &Url) -> bool {
    let link_local = matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local());
    http::is_confidential(url) || (url.scheme() == "http" && link_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(pairs: &[(&str, &str)]) -> anyhow::Result<String> {
        let Endpoint { url, header } = endpoint(&pairs.iter().copied().collect())?;
        Ok(format!("{}: {} {url}", header.0, header.1.expose_secret()))
    }

    #[test]
    fn an_identity_is_asked_where_the_sdks_ask() {
        assert_eq!(
            url(&[("IDENTITY_ENDPOINT", "http://localhost:42356/msi/token")]).expect("the header is missing"),
            "Metadata: true http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
        );
        assert_eq!(
            url(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")]).expect("a URL"),
            "Metadata: true http://127.0.0.1:1/metadata/identity/oauth2/token?api-version=2018-02-01"
        );
        let service =
            [("IDENTITY_ENDPOINT", "http://localhost:42356/msi/token"), ("IDENTITY_HEADER", "853b9a84")];
        assert_eq!(
            url(&service).expect("a URL"),
            "X-IDENTITY-HEADER: 853b9a84 http://localhost:42356/msi/token?api-version=2019-08-01"
        );
        url(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "metadata")]).expect_err("no URL");
    }

    #[test]
    fn a_token_crosses_no_network_in_clear() {
        let stays = |text: &str| stays_here(&Url::parse(text).expect("a URL"));
        for good in ["http://169.254.129.5:8081/msi/token", "http://[::1]/", "https://identity.example/"] {
            assert!(stays(good), "{good}");
        }
        for bad in ["http://identity.example/", "http://10.0.0.1/", "ftp://169.254.169.254/"] {
            assert!(!stays(bad), "{bad}");
        }
    }
}
