//! Feeds, and the tokens that may read them.

use sha2::{Digest, Sha256};

use crate::package::Package;

/// The views that every feed has.
pub(crate) const VIEWS: [&str; 3] = ["Local", "Prerelease", "Release"];

/// A feed of the organization, or of one of its projects.
///
/// Unless [`Feed::empty`] says otherwise, it holds version 1.0.0 of `private-greeting` for every protocol: for npm also
/// as `@contoso/private-greeting`, for Maven as `com.example:private-greeting`, for `NuGet` as `Private.Greeting`.
#[derive(Clone, Debug)]
pub struct Feed {
    project: Option<String>,
    name: String,
    packages: Vec<Package>,
}

impl Feed {
    /// A feed of the organization.
    pub fn org(name: &str) -> Self {
        Self { project: None, name: name.to_owned(), packages: Package::private_greetings() }
    }

    /// A feed of `project`.
    pub fn project(project: &str, name: &str) -> Self {
        Self { project: Some(project.to_owned()), ..Self::org(name) }
    }

    /// The same feed without packages.
    #[must_use]
    pub fn empty(mut self) -> Self {
        self.packages.clear();
        self
    }

    /// The same feed with one more package.
    #[must_use]
    pub fn with(mut self, package: impl Into<Package>) -> Self {
        self.packages.push(package.into());
        self
    }

    /// The feed's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The feed's id, the same in every run.
    pub fn id(&self) -> String {
        guid(&format!("feed {}", self.path()))
    }

    /// The project's name, if it is a project's feed.
    pub fn project_name(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// The project's id, if it is a project's feed.
    pub fn project_id(&self) -> Option<String> {
        self.project.as_deref().map(|project| guid(&format!("project {project}")))
    }

    /// `project/feed` or `feed`, as users of the task write it.
    pub fn path(&self) -> String {
        match &self.project {
            None => self.name.clone(),
            Some(project) => format!("{project}/{}", self.name),
        }
    }

    /// The feed's packages, later versions later.
    pub(crate) fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// Whether the feed is in the scope that a URL names: a project's name or id, or none.
    pub(crate) fn is_in(&self, project: Option<&str>) -> bool {
        match (project, &self.project) {
            (None, None) => true,
            (Some(asked), Some(name)) => {
                is(asked, name) || self.project_id().is_some_and(|id| is(asked, &id))
            }
            _ => false,
        }
    }

    /// Whether `asked` is the feed's name or id.
    pub(crate) fn is_called(&self, asked: &str) -> bool {
        is(asked, &self.name) || is(asked, &self.id())
    }
}

/// Names of Azure DevOps are compared without regard to case.
pub(crate) fn is(asked: &str, name: &str) -> bool {
    asked.to_lowercase() == name.to_lowercase()
}

/// A GUID made from a name, so that a failing test prints the same ids again.
pub(crate) fn guid(name: &str) -> String {
    let hash = Sha256::digest(name.as_bytes());
    let hex = hex(&hash[..16]);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
