//! Why a build that failed may have got no packages: each feed that it used is asked once, with the credential that the
//! build had, and a refusal becomes a warning that says what mends it. A feed that answers is not at fault.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use url::Url;

use super::answer;
use super::index::Protocol;
use super::name::FeedName;
use super::source::Origin;
use crate::credential::Credential;
use crate::error::hinted;
use crate::http::{Answer, Client};

/// All that a step waits for the answers: it has failed already.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionData {
    authenticated_user: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    provider_display_name: String,
}

/// What is wrong with the feeds among `origins`, as far as they say so in time.
pub async fn examine(client: &Client, origins: &[Origin]) -> Vec<anyhow::Error> {
    let mut found = Vec::new();
    let feeds = async {
        for origin in origins {
            found.extend(ask(client, origin).await);
        }
    };
    // Those that were asked before the time was up have been told.
    let _ = tokio::time::timeout(PATIENCE, feeds).await;
    found
}

async fn ask(client: &Client, origin: &Origin) -> Option<anyhow::Error> {
    let Origin::Feed { base, name, credential, .. } = origin else { return None };
    // One that has ended since then would be refused, whatever the build got.
    if credential.expires.is_some_and(|end| end <= SystemTime::now()) {
        return None;
    }
    // Its service index is the same for every feed, however many packages it has.
    let answer = get(client, &Protocol::NuGet.url(base, name), credential).await?;
    match answer.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            let identity = identity(client, base, credential).await;
            Some(refused(name, &answer, identity.as_deref()))
        }
        _ => None,
    }
}

/// As whom the service knows the credential.
async fn identity(client: &Client, base: &Url, credential: &Credential) -> Option<String> {
    let url = base.join("_apis/connectionData?api-version=5.0-preview.1").ok()?;
    let answer = get(client, &url, credential).await?;
    let data: ConnectionData = serde_json::from_slice(&answer.body).ok()?;
    Some(data.authenticated_user.provider_display_name)
}

async fn get(client: &Client, url: &Url, credential: &Credential) -> Option<Answer> {
    let request = || {
        client
            .get(url.clone())
            .basic_auth(&credential.username, Some(credential.secret.expose_secret()))
            .header("X-TFS-FedAuthRedirect", "Suppress")
    };
    client.send(request).await.ok()
}

fn refused(feed: &FeedName, answer: &Answer, identity: Option<&str>) -> anyhow::Error {
    let who = identity.map_or_else(|| "the identity of the token".to_owned(), |name| format!("`{name}`"));
    let said = answer::said(answer);
    match answer.status {
        StatusCode::UNAUTHORIZED => hinted(
            format!("feed `{feed}` does not know the token that the build had (401){said}"),
            "the token may have ended, or its identity is no user of the feed's organization: add the application in \
             Organization settings > Users",
        ),
        StatusCode::FORBIDDEN => hinted(
            format!("feed `{feed}` refuses {who} (403){said}"),
            format!(
                "give {who} the role `Feed Reader` in Artifacts > feed settings > Permissions, or `Feed and Upstream \
                 Reader (Collaborator)` if a package comes from an upstream; a feed of another project also needs \
                 `Limit job authorization scope to current project` switched off"
            ),
        ),
        _ => hinted(
            format!("feed `{feed}` does not exist for {who} (404){said}"),
            "check the spelling; a feed of a project is `project/feed`, and one of another project also needs `Limit job \
             authorization scope to current project` switched off",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    fn told(feed: &str, status: u16, identity: Option<&str>) -> String {
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: reqwest::header::HeaderMap::new(),
            body: br#"{"message": "No."}"#.to_vec(),
            attempts: 1,
        };
        let name = &FeedName::parse_list(feed).expect("a name")[0];
        error::render(&refused(name, &answer, identity))
    }

    #[test]
    fn a_refusal_names_who_was_refused_and_what_is_missing() {
        let scope = "`Limit job authorization scope to current project` switched off";
        assert_eq!(
            told("web/a", 403, Some("web Build Service (contoso)")),
            format!(
                "feed `web/a` refuses `web Build Service (contoso)` (403): No.\n\n\
                 hint: give `web Build Service (contoso)` the role `Feed Reader` in Artifacts > feed settings > \
                 Permissions, or `Feed and Upstream Reader (Collaborator)` if a package comes from an upstream; a feed \
                 of another project also needs {scope}"
            )
        );
        assert_eq!(
            told("a", 404, None),
            format!(
                "feed `a` does not exist for the identity of the token (404): No.\n\n\
                 hint: check the spelling; a feed of a project is `project/feed`, and one of another project also needs \
                 {scope}"
            )
        );
        let unknown = told("a", 401, None);
        assert!(
            unknown.starts_with("feed `a` does not know the token that the build had (401): No."),
            "{unknown}"
        );
    }
}
