//! What the service answered: the JSON of its API, or something else, in words that lead to its mend.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::hinted;
use crate::http::{self, Answer};

/// The hint where somebody else seems to answer in the service's place.
pub const NO_GATEWAY: &str =
    "if a gateway or proxy stands before Azure DevOps, let this agent connect to the service itself";

/// Reads the answer to the request to `url` for `what`, e.g. `the list of feeds`.
pub fn read<T: DeserializeOwned>(what: &str, url: &Url, answer: &Answer) -> anyhow::Result<T> {
    if answer.status != StatusCode::OK || is_html(answer) {
        return Err(explain(what, url, answer));
    }
    let host = http::authority(url);
    // The service says `null` with status 200 for an area that the organization does not have.
    serde_json::from_slice::<Option<T>>(&answer.body)
        .with_context(|| {
            format!("`{host}` answered the request for {what} with something other than the JSON of this API")
        })?
        .ok_or_else(|| not_offered(&host, what, "(null)"))
}

/// Takes an answer to the request to `url` for `what` of which only the status counts.
pub fn accept(what: &str, url: &Url, answer: &Answer) -> anyhow::Result<()> {
    if answer.status.is_success() && !leads_to_sign_in(answer) && !is_html(answer) {
        return Ok(());
    }
    let (host, status) = (http::authority(url), answer.status.as_u16());
    if leads_to_sign_in(answer) {
        anyhow::bail!("`{host}` answered the request for {what} with its sign-in page ({status})");
    }
    anyhow::bail!("`{host}` did not take {what} ({status}){}", said(answer))
}

/// The error for an answer that holds no JSON of the API.
fn explain(what: &str, url: &Url, answer: &Answer) -> anyhow::Error {
    let host = http::authority(url);
    let status = answer.status.as_u16();
    let said = said(answer);
    let attempts = match answer.attempts {
        1 => String::new(),
        attempts => format!(", {attempts} attempts"),
    };
    match answer.status {
        _ if leads_to_sign_in(answer) => hinted(
            format!("`{host}` answered the request for {what} with its sign-in page ({status})"),
            "the job access token is not valid here; run the job again, and check that no gateway in between \
             strips the `Authorization` header",
        ),
        StatusCode::UNAUTHORIZED => hinted(
            format!("`{host}` did not accept the job access token for {what} (401){said}"),
            "the token may have expired (a job's token ends with its timeout) or belong to another organization; \
             run the job again, and use feeds of the pipeline's own organization",
        ),
        StatusCode::FORBIDDEN => hinted(
            format!("`{host}` refused {what} to the build identity (403){said}"),
            "give the build identity (`{project} Build Service ({organization})`, or `Project Collection Build \
             Service` where job authorization scope is not limited) the role `Feed Reader` in Artifacts > feed \
             settings > Permissions",
        ),
        StatusCode::NOT_FOUND => not_offered(&host, what, &format!("(404){said}")),
        StatusCode::TOO_MANY_REQUESTS => {
            let wait = |time: Duration| format!("; it asks to wait {} s", time.as_secs());
            let wait = answer.retry_after().map(wait).unwrap_or_default();
            hinted(
                format!("`{host}` limits the requests of the build identity (429{attempts}){said}{wait}"),
                "run the job again later; Organization settings > Usage shows what used up the limit",
            )
        }
        _ if answer.status.is_redirection() => {
            let target = answer
                .headers
                .get(LOCATION)
                .and_then(|to| Url::options().base_url(Some(url)).parse(to.to_str().ok()?).ok());
            let to = target.as_ref().map_or_else(|| "nowhere".to_owned(), http::authority);
            hinted(
                format!(
                    "`{host}` sent the request for {what} on to `{to}` ({status}); the token was not sent there"
                ),
                NO_GATEWAY,
            )
        }
        _ if answer.status.is_success() => hinted(
            format!("`{host}` answered the request for {what} with an HTML page ({status})"),
            NO_GATEWAY,
        ),
        _ => anyhow::anyhow!("`{host}` failed to answer the request for {what} ({status}{attempts}){said}"),
    }
}

fn not_offered(host: &str, what: &str, answer: &str) -> anyhow::Error {
    hinted(
        format!("`{host}` does not offer {what} {answer}"),
        "check that Artifacts is switched on (Project settings > Overview > Azure DevOps services), or on a Server \
         that the extension Package Management is installed in the collection",
    )
}

/// Without a valid token Azure DevOps may redirect to, or answer 200 or 203 with, an HTML page to sign in.
fn leads_to_sign_in(answer: &Answer) -> bool {
    let location = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
    (answer.status.is_redirection() && (location.contains("_signin") || location.contains("login")))
        || answer.status == StatusCode::NON_AUTHORITATIVE_INFORMATION
        || (answer.status == StatusCode::OK && is_html(answer) && contains(&answer.body, b"sign in"))
}

fn is_html(answer: &Answer) -> bool {
    let kind = answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/html")
}

fn contains(body: &[u8], needle: &[u8]) -> bool {
    body.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

/// What the service said about a refusal, to be put behind its status.
#[must_use]
pub fn said(answer: &Answer) -> String {
    server_message(&answer.body).map(|text| format!(": {text}")).unwrap_or_default()
}

/// The `message` of an Azure DevOps error body: one line, at most 300 characters.
fn server_message(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let message = body.get("message")?.as_str()?.lines().next()?.trim();
    Some(message.chars().take(300).collect())
}
