//! What an answer of the service that is no answer means, in words that lead to its mend.

use reqwest::StatusCode;
use reqwest::header::LOCATION;
use url::Url;

use crate::error::hinted;
use crate::http::Answer;

/// The error for an answer other than JSON with status 200, to the request for `what` (e.g. `the list of feeds`).
#[must_use]
pub fn explain(what: &str, url: &Url, answer: &Answer) -> anyhow::Error {
    let host = url.host_str().unwrap_or("the server");
    let status = answer.status;
    let said = server_message(&answer.body).map(|text| format!(": {text}")).unwrap_or_default();
    match status {
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
        StatusCode::NOT_FOUND => hinted(
            format!("`{host}` knows no {what} (404){said}"),
            "check that Azure Artifacts is switched on for this organization (Organization settings > Billing), \
             or on a Server that its Package Management is installed",
        ),
        status if status.is_redirection() && !leads_to_sign_in(answer) => {
            let target = answer
                .headers
                .get(LOCATION)
                .and_then(|to| Url::options().base_url(Some(url)).parse(to.to_str().ok()?).ok());
            let to = target.as_ref().and_then(Url::host_str).unwrap_or("nowhere").to_owned();
            hinted(
                format!(
                    "`{host}` sent the request for {what} on to `{to}` ({}); the token was not sent there",
                    status.as_u16()
                ),
                "if a gateway stands before Azure DevOps, let the agent connect to the service itself",
            )
        }
        _ if leads_to_sign_in(answer) => hinted(
            format!("`{host}` answered the request for {what} with its sign-in page ({})", status.as_u16()),
            "the job access token is not valid here; run the job again, and check that no gateway in between \
             strips the `Authorization` header",
        ),
        _ if status.is_success() => anyhow::anyhow!(
            "`{host}` answered the request for {what} with something that is not the JSON of this API ({} bytes, {})",
            answer.body.len(),
            content_type(answer)
        ),
        _ => anyhow::anyhow!("`{host}` failed to answer the request for {what} ({}){said}", status.as_u16()),
    }
}

/// Without a valid token Azure DevOps may redirect to, or answer 200 or 203 with, an HTML page to sign in.
fn leads_to_sign_in(answer: &Answer) -> bool {
    let location = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
    let html = content_type(answer).starts_with("text/html");
    (answer.status.is_redirection() && (location.contains("_signin") || location.contains("login")))
        || answer.status == StatusCode::NON_AUTHORITATIVE_INFORMATION
        || (answer.status == StatusCode::OK && html && contains(&answer.body, b"sign in"))
}

fn contains(body: &[u8], needle: &[u8]) -> bool {
    body.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

fn content_type(answer: &Answer) -> &str {
    answer
        .headers
        .get(reqwest::header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("no content type")
}

/// The `message` of an Azure DevOps error body: one line, at most 300 characters.
fn server_message(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let message = body.get("message")?.as_str()?.lines().next()?.trim();
    Some(message.chars().take(300).collect())
}
