//! Workload identity federation: the job's own id token, exchanged at Entra for a token of the service connection's
//! application, which opens the feeds of an organization of which that is a user, and registries where it has a role. An
//! id token lives ten minutes, so each exchange asks for a fresh one.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::cloud::PUBLIC_AUTHORITY;
use super::{Credential, USERNAME};
use crate::agent::connection::FederatedConnection;
use crate::agent::endpoint::SystemConnection;
use crate::agent::env::Env;
use crate::console::Console;
use crate::error::{hint_context, hinted};
use crate::feed::service::Organization;
use crate::http::{self, Answer, Client};

/// Azure DevOps Services, the resource.
const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";
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

/// How the job gets tokens of Entra.
#[derive(Debug, Clone, Copy)]
pub struct Federation<'a> {
    /// For requests to Azure DevOps and Entra.
    pub client: &'a Client,
    /// The agent's environment.
    pub env: &'a Env,
    /// Whose id token it is.
    pub system: &'a SystemConnection,
    /// Where tokens are masked.
    pub console: &'a Console,
}

impl Federation<'_> {
    /// A token that opens `feed`.
    pub async fn feed_token(
        &self,
        connection: &FederatedConnection,
        feed: &Url,
    ) -> anyhow::Result<Credential> {
        let tenant = self.tenant(feed).await?.unwrap_or_else(|| connection.tenant.clone());
        // Azure DevOps Services exists in the public cloud only.
        let authority = Url::parse(PUBLIC_AUTHORITY)?;
        self.token(connection, &authority, &tenant, AZURE_DEVOPS).await
    }

    /// A token for `resource` from the Entra at `authority`, by a fresh id token.
    pub async fn token(
        &self,
        connection: &FederatedConnection,
        authority: &Url,
        tenant: &str,
        resource: &str,
    ) -> anyhow::Result<Credential> {
        anyhow::ensure!(is_tenant(tenant), "the service connection's tenant is no tenant id: `{tenant}`");
        let url = authority.join(&format!("{tenant}/oauth2/v2.0/token"))?;
        let assertion = self.id_token(connection).await?;
        self.console.mask("the job's id token", &assertion, &[]);
        let token = self.access_token(connection, &url, resource, &assertion).await?;
        self.console.mask("the Entra token", &token.secret, &[USERNAME]);
        Ok(token)
    }

    /// The tenant of the feed's organization: a header of the answer to an unauthenticated request. Sources differ on
    /// whether HEAD or GET has it, so both are tried.
    async fn tenant(&self, feed: &Url) -> anyhow::Result<Option<String>> {
        for request in [Client::head, Client::get] {
            let answer = self
                .client
                .send(|| request(self.client, feed.clone()).header("X-TFS-FedAuthRedirect", "Suppress"))
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

    async fn id_token(&self, connection: &FederatedConnection) -> anyhow::Result<SecretString> {
        let mut url = request_url(self.env, self.system)?;
        anyhow::ensure!(
            Organization::of(&self.system.collection).owns(&url),
            "the job's id token would be asked for at `{url}`, which is not a host of this organization"
        );
        url.query_pairs_mut()
            .append_pair("api-version", "7.1")
            .append_pair("serviceConnectionId", &connection.id);
        let request = || {
            self.client
                .post(url.clone())
                .bearer_auth(self.system.token.expose_secret())
                .header("X-TFS-FedAuthRedirect", "Suppress")
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body("{}")
        };
        let answer = self.client.send(request).await.context("cannot ask for the job's id token")?;
        let token =
            (answer.status == StatusCode::OK).then(|| serde_json::from_slice::<IdToken>(&answer.body).ok());
        token.flatten().map(|token| token.oidc_token).ok_or_else(|| {
            hinted(
                format!(
                    "Azure DevOps gave no id token for the service connection in `{}` ({})",
                    connection.input,
                    answer.status.as_u16()
                ),
                "authorize this pipeline to use the service connection (its page > Security > Pipeline permissions)",
            )
        })
    }

    async fn access_token(
        &self,
        connection: &FederatedConnection,
        url: &Url,
        resource: &str,
        assertion: &SecretString,
    ) -> anyhow::Result<Credential> {
        let scope = format!("{resource}/.default");
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", &scope),
            ("client_id", &connection.client_id),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.expose_secret()),
        ];
        let request = || self.client.post(url.clone()).form(&form);
        let answer = self.client.send(request).await.context("cannot reach Entra")?;
        if answer.status != StatusCode::OK {
            return Err(refused(&answer, url, resource));
        }
        let token: AccessToken =
            serde_json::from_slice(&answer.body).context("Entra's answer cannot be read")?;
        let expires = SystemTime::now() + Duration::from_secs(token.expires_in);
        Ok(Credential::token(token.access_token, Some(expires)))
    }
}

/// A tenant becomes part of a URL, so nothing else than a GUID or domain will do.
fn is_tenant(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
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

/// Entra's own words, and what its code means here (learn.microsoft.com, "Microsoft Entra authentication and
/// authorization error codes").
fn refused(answer: &Answer, url: &Url, resource: &str) -> anyhow::Error {
    let message =
        format!("Entra (`{}`) refused the token exchange ({})", http::authority(url), answer.status.as_u16());
    let Ok(Refusal { error_description: text }) = serde_json::from_slice(&answer.body) else {
        return anyhow::anyhow!("it did not say why").context(message);
    };
    // Behind the message stand trace and correlation ids and a time, on the same line or below.
    let said =
        text.lines().next().and_then(|line| line.split(" Trace ID: ").next()).unwrap_or_default().to_owned();
    let hint = match said.split(':').next().unwrap_or_default() {
        "AADSTS70021" | "AADSTS700213" | "AADSTS700211" => {
            "the application has no federated credential for this service connection: compare issuer and subject in \
             Entra > App registrations > Certificates & secrets > Federated credentials with those on the service \
             connection's page"
        }
        "AADSTS700016" if resource == AZURE_DEVOPS => {
            "the application is not known in the feed's tenant: check the service connection's application id, and that \
             it is of the tenant to which the feed's organization is connected"
        }
        "AADSTS700016" => {
            "the application is not known in the tenant: check application id and tenant id of the service connection"
        }
        "AADSTS700024" => {
            "the id token was out of its ten minutes when Entra saw it: check the clock of this agent's machine"
        }
        "AADSTS90002" => "the tenant does not exist: check the tenant id of the service connection",
        _ => return anyhow::anyhow!("{said}").context(message),
    };
    anyhow::anyhow!("{said}").context(hint_context(message, hint))
}
