//! A package source: one place, one protocol, what opens it.

use url::Url;

use super::index::Protocol;
use super::name::FeedName;
use super::service::Organization;
use crate::credential::Credential;

/// One place that a client gets packages from.
#[derive(Debug, Clone)]
pub struct Source {
    /// A name for clients that name their sources: the feed's, or the service connection's.
    pub name: String,
    /// The URL that the client is given.
    pub url: Url,
    /// The same place in the organization's other host family. Clients that match by text need both: a lock file keeps
    /// the spelling of the day it was written.
    pub aliases: Vec<Url>,
    /// What opens it.
    pub credential: Credential,
}

impl Source {
    /// The URL and its other spellings.
    pub fn spellings(&self) -> impl Iterator<Item = &Url> {
        std::iter::once(&self.url).chain(&self.aliases)
    }
}

/// Where a source comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A feed of Azure Artifacts: a source for every protocol.
    Feed {
        /// The organization that serves it.
        organization: Organization,
        /// The packaging base, with a trailing slash.
        base: Url,
        /// The feed.
        name: FeedName,
        /// What opens it.
        credential: Credential,
    },
    /// A service connection: a source for one protocol.
    Connection {
        /// The protocol.
        protocol: Protocol,
        /// The source.
        source: Source,
    },
}

impl Origin {
    /// The source for `protocol`, if this origin speaks it.
    #[must_use]
    pub fn source(&self, protocol: Protocol) -> Option<Source> {
        match self {
            Self::Feed { organization, base, name, credential } => Some(Source {
                name: name.feed.clone(),
                url: protocol.url(base, name),
                aliases: organization.other_bases(base).map(|base| protocol.url(base, name)).collect(),
                credential: credential.clone(),
            }),
            Self::Connection { protocol: spoken, source } => (*spoken == protocol).then(|| source.clone()),
        }
    }

    /// What opens it.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        match self {
            Self::Feed { credential, .. } => credential,
            Self::Connection { source, .. } => &source.credential,
        }
    }

    /// The hosts (with their ports) that serve it.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        match self {
            Self::Feed { organization, base, .. } => organization.packaging_hosts(base),
            Self::Connection { source, .. } => source.url.host_str().map(str::to_owned).into_iter().collect(),
        }
    }
}
