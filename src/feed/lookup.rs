//! Two requests, side by side, settle where the organization's packages are served and which feeds exist. There
//! are no more of them whatever the number of feeds.

use anyhow::Context as _;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::name::FeedName;
use super::refusal;
use super::service::Organization;
use super::source::Origin;
use crate::agent::endpoint::SystemConnection;
use crate::credential::Credential;
use crate::error::hinted;
use crate::http;

/// The resource area of PyPI; on Services all packaging areas are on one host.
const PACKAGING_AREA: &str = "92F0314B-06C5-46E0-ABE7-15FD9D13276A";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceArea {
    location_url: String,
}

#[derive(Deserialize)]
struct FeedList {
    value: Vec<ListedFeed>,
}

#[derive(Deserialize)]
struct ListedFeed {
    id: String,
    name: String,
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Project {
    id: String,
    name: String,
}

/// Looks up the feeds `names` as the build identity sees them, in their order; `credential` opens them.
pub async fn look_up(
    client: &Client,
    system: &SystemConnection,
    names: &[FeedName],
    credential: &Credential,
) -> anyhow::Result<Vec<Origin>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let organization = Organization::of(&system.collection);
    let list_url = organization
        .feeds_base()
        .join("_apis/packaging/feeds?includeUrls=false&api-version=5.0-preview.1")?;
    let (base, list) = tokio::try_join!(
        packaging_base(client, system, &organization),
        get::<FeedList>(client, &organization, list_url, &system.token, "the list of feeds"),
    )?;
    for name in names {
        check(name, &list.value)?;
    }
    let origin = |name: &FeedName| Origin::Feed {
        organization: organization.clone(),
        base: base.clone(),
        name: name.clone(),
        credential: credential.clone(),
    };
    Ok(names.iter().map(origin).collect())
}

/// A Server serves packages under the collection itself; Services is asked.
async fn packaging_base(
    client: &Client,
    system: &SystemConnection,
    organization: &Organization,
) -> anyhow::Result<Url> {
    if !system.hosted {
        return Ok(system.collection.clone());
    }
    let url =
        system.collection.join(&format!("_apis/resourceAreas/{PACKAGING_AREA}?api-version=5.0-preview.1"))?;
    let area: ResourceArea =
        get(client, organization, url, &system.token, "the location of Azure Artifacts").await?;
    let mut base = Url::parse(&area.location_url).with_context(|| {
        format!("the service says that packages are at `{}`, which is no URL", area.location_url)
    })?;
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    anyhow::ensure!(
        organization.owns(&base),
        "the service says that packages are at `{base}`, which is not a host of this organization; the token is not \
         sent there"
    );
    Ok(base)
}

async fn get<T: DeserializeOwned>(
    client: &Client,
    organization: &Organization,
    url: Url,
    token: &SecretString,
    what: &str,
) -> anyhow::Result<T> {
    if !organization.owns(&url) {
        return Err(hinted(
            format!("the job access token is not sent to `{url}` in clear"),
            "serve Azure DevOps over https, and set that address as the server's public URL",
        ));
    }
    // Without `Suppress` a refusal is a redirect to a page to sign in.
    let request = || {
        client
            .get(url.clone())
            .basic_auth("vsts", Some(token.expose_secret()))
            .header("X-TFS-FedAuthRedirect", "Suppress")
            .header(reqwest::header::ACCEPT, "application/json")
    };
    let answer = http::send(request).await.with_context(|| format!("cannot ask for {what}"))?;
    let parsed = (answer.status == reqwest::StatusCode::OK).then(|| serde_json::from_slice(&answer.body));
    match parsed {
        Some(Ok(value)) => Ok(value),
        _ => Err(refusal::explain(what, &url, &answer)),
    }
}

/// Whether the list has this feed; if not, what the user most likely meant.
fn check(name: &FeedName, list: &[ListedFeed]) -> anyhow::Result<()> {
    let same = |text: &str, other: &str| {
        text.eq_ignore_ascii_case(other) || text.to_lowercase() == other.to_lowercase()
    };
    let named: Vec<&ListedFeed> =
        list.iter().filter(|feed| same(&feed.name, &name.feed) || same(&feed.id, &name.feed)).collect();
    let found = named.iter().any(|feed| match (&feed.project, &name.project) {
        (None, None) => true,
        (Some(project), Some(wanted)) => same(&project.name, wanted) || same(&project.id, wanted),
        _ => false,
    });
    if found {
        return Ok(());
    }
    let Some(other) = named.first() else {
        return Err(hinted(
            format!(
                "input `artifactFeeds`: the build identity sees no feed `{name}` (it sees {})",
                list.len()
            ),
            "check the spelling; for a project-scoped feed write `project/feed`; and give the build identity the \
             role `Feed Reader` in Artifacts > feed settings > Permissions (a feed of another project also needs \
             `Limit job authorization scope to current project` switched off)",
        ));
    };
    let spelling = match &other.project {
        Some(project) => format!("{}/{}", project.name, other.name),
        None => other.name.clone(),
    };
    let scope = if other.project.is_some() { "project-scoped" } else { "organization-scoped" };
    Err(hinted(
        format!("input `artifactFeeds`: there is no feed `{name}`, but a {scope} feed of that name"),
        format!("write `artifactFeeds: {spelling}`"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    fn list() -> Vec<ListedFeed> {
        let json = r#"{"value": [
            {"id": "f1", "name": "Shared"},
            {"id": "f2", "name": "web", "project": {"id": "p1", "name": "My Project"}}
        ]}"#;
        serde_json::from_str::<FeedList>(json).expect("it is a list").value
    }

    fn checked(name: &str) -> anyhow::Result<()> {
        check(&FeedName::parse_list(name).expect("a name")[0], &list())
    }

    #[test]
    fn feeds_are_found_by_name_and_id_without_regard_to_case() {
        for name in ["shared", "F1", "my project/WEB@Release", "p1/f2"] {
            checked(name).expect(name);
        }
    }

    #[test]
    fn a_missing_scope_is_told() {
        let table = [
            ("web", "hint: write `artifactFeeds: My Project/web`"),
            ("Other/web", "hint: write `artifactFeeds: My Project/web`"),
            ("My Project/shared", "hint: write `artifactFeeds: Shared`"),
            ("nope", "sees no feed `nope` (it sees 2)"),
        ];
        for (name, expected) in table {
            let text = error::render(&checked(name).expect_err(name));
            assert!(text.contains(expected), "{name}: {text}");
        }
    }
}
