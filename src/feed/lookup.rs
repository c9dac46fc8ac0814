//! Two requests, side by side, settle where the organization's packages are served and which feeds exist. There
//! are no more of them whatever the number of feeds.

use anyhow::Context as _;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::answer;
use super::name::FeedName;
use super::service::Organization;
use super::source::Origin;
use crate::agent::endpoint::SystemConnection;
use crate::credential::Credential;
use crate::error::hinted;
use crate::http::{self, Client};

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
    if !http::is_confidential(&system.collection) {
        return Err(hinted(
            format!(
                "`{}` is plain http, and the job access token is not sent over a network in clear",
                system.collection
            ),
            "serve Azure DevOps over https, and make that address its public URL",
        ));
    }
    let service = Service { client, system, organization: Organization::of(&system.collection) };
    let (base, list) = tokio::try_join!(service.packaging_base(), service.feeds())?;
    for name in names {
        check(name, &list)?;
    }
    let origin = |name: &FeedName| Origin::Feed {
        organization: service.organization.clone(),
        base: base.clone(),
        name: name.clone(),
        credential: credential.clone(),
    };
    Ok(names.iter().map(origin).collect())
}

/// The service as the job's identity reaches it.
struct Service<'a> {
    client: &'a Client,
    system: &'a SystemConnection,
    organization: Organization,
}

impl Service<'_> {
    /// A Server serves packages under the collection itself; Services is asked.
    async fn packaging_base(&self) -> anyhow::Result<Url> {
        if !self.system.hosted {
            return Ok(self.system.collection.clone());
        }
        let path = format!("_apis/resourceAreas/{PACKAGING_AREA}?api-version=5.0-preview.1");
        let url = self.system.collection.join(&path)?;
        let area: ResourceArea = self.get(url, "the location of Azure Artifacts").await?;
        let mut base = Url::parse(&area.location_url).with_context(|| {
            format!("the service says that packages are at `{}`, which is no URL", area.location_url)
        })?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        if !self.organization.owns(&base) {
            return Err(hinted(
                format!(
                    "the service says that packages are at `{base}`, on a host that is not this organization's; the \
                     token is not sent there"
                ),
                answer::NO_GATEWAY,
            ));
        }
        Ok(base)
    }

    async fn feeds(&self) -> anyhow::Result<Vec<ListedFeed>> {
        let path = "_apis/packaging/feeds?includeUrls=false&api-version=5.0-preview.1";
        let list: FeedList =
            self.get(self.organization.feeds_base().join(path)?, "the list of feeds").await?;
        Ok(list.value)
    }

    /// Asks for `what`, e.g. `the list of feeds`.
    async fn get<T: DeserializeOwned>(&self, url: Url, what: &str) -> anyhow::Result<T> {
        anyhow::ensure!(self.organization.owns(&url), "the token is not sent to `{}`", http::authority(&url));
        // Without `Suppress` a refusal is a redirect to a page to sign in.
        let request = || {
            self.client
                .get(url.clone())
                .basic_auth("vsts", Some(self.system.token.expose_secret()))
                .header("X-TFS-FedAuthRedirect", "Suppress")
                .header(reqwest::header::ACCEPT, "application/json")
        };
        let answer = self.client.send(request).await.with_context(|| format!("cannot get {what}"))?;
        answer::read(what, &url, &answer)
    }
}

/// Whether the list has this feed; if not, what the user most likely meant.
fn check(name: &FeedName, list: &[ListedFeed]) -> anyhow::Result<()> {
    let same = |text: &str, other: &str| text.to_lowercase() == other.to_lowercase();
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
    if named.is_empty() {
        let wrong = match list.len() {
            0 => format!("the build identity sees no feed, so not `{name}` either"),
            count => format!("`{name}` is none of the {count} feeds that the build identity sees"),
        };
        return Err(hinted(
            format!("input `artifactFeeds`: {wrong}"),
            "check the spelling, or give the build identity the role `Feed Reader` in Artifacts > feed settings > \
             Permissions (a feed of another project also needs `Limit job authorization scope to current project` \
             switched off)",
        ));
    }
    let wrong = match &name.project {
        None => format!("`{name}` is a feed of a project, not of the organization"),
        Some(project) => format!("project `{project}` has no feed `{}`", name.feed),
    };
    let spellings: Vec<String> = named
        .iter()
        .map(|feed| FeedName {
            project: feed.project.as_ref().map(|project| project.name.clone()),
            feed: feed.name.clone(),
            view: name.view.clone(),
        })
        .map(|name| format!("`{name}`"))
        .collect();
    Err(hinted(format!("input `artifactFeeds`: {wrong}"), format!("write it as {}", spellings.join(" or "))))
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
            ("web", "hint: write it as `My Project/web`"),
            ("Other/web", "hint: write it as `My Project/web`"),
            ("My Project/shared", "hint: write it as `Shared`"),
            ("web@Release", "hint: write it as `My Project/web@Release`"),
            ("nope", "`nope` is none of the 2 feeds that the build identity sees"),
        ];
        for (name, expected) in table {
            let text = error::render(&checked(name).expect_err(name));
            assert!(text.contains(expected), "{name}: {text}");
        }
    }
}
