//! Workload identity federation: the job's own id token, exchanged at Entra for a token that opens the feeds of an
//! organization of which the service connection's application is a user. An id token lives ten minutes, so each
//! exchange asks for a fresh one.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::Credential;
use crate::agent::connection::FederatedConnection;
use crate::agent::endpoint::SystemConnection;
use crate::agent::env::Env;
use crate::error::{hint_context, hinted};
use crate::feed::service::Organization;
use crate::http::{Answer, Client};

/// Azure DevOps Services, the resource. It exists in the public cloud only, so the authority is fixed as well.
const SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";
const AUTHORITY: &str = "https://login.microsoftonline.com";
const NO_TENANT: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdToken {
    oidc_token: SecretString,
}

#[derive(Deserialize)]
struct AccessToken {
    access_token: SecretString,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refusal {
    error_description: String,
}

/// Exchanges the job's identity for a token that opens `feed`.
pub async fn exchange(
    client: &Client,
    env: &Env,
    system: &SystemConnection,
    connection: &FederatedConnection,
    feed: &Url,
) -> anyhow::Result<Credential> {
    let tenant = tenant(client, feed).await?.unwrap_or_else(|| connection.tenant.clone());
    let assertion = id_token(client, env, system, connection).await?;
    access_token(client, &tenant, connection, &assertion).await
}

/// The tenant of the feed's organization: a header of the answer to an unauthenticated request. Sources differ on
/// whether HEAD or GET has it, so both are tried.
async fn tenant(client: &Client, feed: &Url) -> anyhow::Result<Option<String>> {
    for request in [Client::head, Client::get] {
        let answer = client
            .send(|| request(client, feed.clone()).header("X-TFS-FedAuthRedirect", "Suppress"))
            .await
            .with_context(|| format!("cannot ask for the tenant of `{feed}`"))?;
        let tenant = answer.headers.get("X-VSS-ResourceTenant").and_then(|tenant| tenant.to_str().ok());
        // Organizations that are backed by Microsoft accounts have none.
        if let Some(tenant) = tenant.filter(|tenant| *tenant != NO_TENANT && is_tenant(tenant)) {
            return Ok(Some(tenant.to_owned()));
        }
    }
    Ok(None)
}

/// A tenant becomes part of a URL, so nothing else than a GUID or domain will do.
fn is_tenant(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
}

async fn id_token(
    client: &Client,
    env: &Env,
    system: &SystemConnection,
    connection: &FederatedConnection,
) -> anyhow::Result<SecretString> {
    let mut url = request_url(env, system)?;
    anyhow::ensure!(
        Organization::of(&system.collection).owns(&url),
        "the job's id token would be asked for at `{url}`, which is not a host of this organization"
    );
    url.query_pairs_mut()
        .append_pair("api-version", "7.1")
        .append_pair("serviceConnectionId", &connection.id);
    let request = || {
        client
            .post(url.clone())
            .bearer_auth(system.token.expose_secret())
            .header("X-TFS-FedAuthRedirect", "Suppress")
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body("{}")
    };
    let answer = client.send(request).await.context("cannot ask for the job's id token")?;
    let token =
        (answer.status == StatusCode::OK).then(|| serde_json::from_slice::<IdToken>(&answer.body).ok());
    token.flatten().map(|token| token.oidc_token).ok_or_else(|| {
        hinted(
            format!(
                "Azure DevOps gave no id token for the service connection in `workloadIdentityServiceConnection` ({})",
                answer.status.as_u16()
            ),
            "authorize this pipeline to use the service connection (its page > Security > Pipeline permissions)",
        )
    })
}

/// `System.OidcRequestUri`; older servers do not set it, but it can be put together (agent and task library do so).
fn request_url(env: &Env, system: &SystemConnection) -> anyhow::Result<Url> {
    if let Some(text) = env.variable("System.OidcRequestUri") {
        return Url::parse(text.trim_end_matches('/')).context("variable `System.OidcRequestUri` is no URL");
    }
    let part = |name: &str| env.variable(name).with_context(|| format!("variable `{name}` is not set"));
    let path = format!(
        "{}/_apis/distributedtask/hubs/{}/plans/{}/jobs/{}/oidctoken",
        part("System.TeamProjectId")?,
        part("System.HostType")?,
        part("System.PlanId")?,
        part("System.JobId")?
    );
    system.collection.join(&path).context("the id token's address cannot be put together")
}

async fn access_token(
    client: &Client,
    tenant: &str,
    connection: &FederatedConnection,
    assertion: &SecretString,
) -> anyhow::Result<Credential> {
    anyhow::ensure!(is_tenant(tenant), "the service connection's tenant is no tenant id: `{tenant}`");
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", SCOPE),
        ("client_id", &connection.client_id),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.expose_secret()),
    ];
    let answer = client
        .send(|| client.post(format!("{AUTHORITY}/{tenant}/oauth2/v2.0/token")).form(&form))
        .await
        .context("cannot reach Entra")?;
    if answer.status != StatusCode::OK {
        return Err(refused(&answer));
    }
    let token: AccessToken = serde_json::from_slice(&answer.body).context("Entra's answer cannot be read")?;
    let expires = SystemTime::now() + Duration::from_secs(token.expires_in);
    Ok(Credential::token(token.access_token, Some(expires)))
}

/// Entra's own words, and what its code means here (learn.microsoft.com, "Microsoft Entra authentication and
/// authorization error codes").
fn refused(answer: &Answer) -> anyhow::Error {
    let text = serde_json::from_slice::<Refusal>(&answer.body).map(|refusal| refusal.error_description);
    // Behind the message stand trace and correlation ids and a time, on the same line or below.
    let text = text.unwrap_or_else(|_| format!("status {}", answer.status.as_u16()));
    let said =
        text.lines().next().and_then(|line| line.split(" Trace ID: ").next()).unwrap_or_default().to_owned();
    let hint = match said.split(':').next().unwrap_or_default() {
        "AADSTS70021" | "AADSTS700213" | "AADSTS700211" => {
            "the application has no federated credential for this service connection: compare issuer and subject in \
             Entra > App registrations > Certificates & secrets > Federated credentials with those on the service \
             connection's page"
        }
        "AADSTS700016" => {
            "the application is not known in the feed's tenant: check the service connection's application id, and that \
             it is of the tenant to which the feed's organization is connected"
        }
        "AADSTS700024" => {
            "the id token was out of its ten minutes when Entra saw it: check the clock of this agent's machine"
        }
        "AADSTS90002" => "the tenant does not exist: check the tenant id of the service connection",
        _ => return anyhow::anyhow!("{said}").context("Entra refused the token exchange"),
    };
    anyhow::anyhow!("{said}").context(hint_context("Entra refused the token exchange", hint))
}
