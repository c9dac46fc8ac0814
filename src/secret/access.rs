//! The sources of a build and how they are shared out; gives each entry of the catalogue its text.

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::catalogue::{Asked, Entry};
use super::{
    cargo, conda, git, gradle, maven, named, netrc, npm, nuget, one_credential, only, pip, poetry, twine, uv, yarn,
};
use crate::credential::Credential;
use crate::feed::index::Protocol;
use crate::feed::source::{Origin, Source};

/// How the sources are shared out among the entries of pip and uv.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexOrder {
    /// The first source is the index and the rest are extra, as in `PipAuthenticate@1`.
    FirstIsIndex,
    /// All sources are extra (`onlyAddExtraIndex`, or a Dockerfile that mounts nothing else).
    AllExtra,
}

/// What the entries are rendered from.
#[derive(Debug)]
pub struct Access<'a> {
    /// Feeds and service connections, in the order of the inputs.
    pub origins: &'a [Origin],
    /// Their order for pip and uv.
    pub order: IndexOrder,
    /// npm scopes and the source that each is bound to (`@scope` → a source's name, or the first source).
    pub scopes: &'a [(String, Option<String>)],
    /// The job access token and the collection that it belongs to.
    pub job: Option<(&'a Url, &'a Credential)>,
}

impl Access<'_> {
    /// The text that an id stands for.
    pub fn render(&self, id: &str, asked: &Asked) -> anyhow::Result<SecretString> {
        self.text(asked).with_context(|| format!("cannot provide secret `{id}`"))
    }

    fn text(&self, asked: &Asked) -> anyhow::Result<SecretString> {
        let name = asked.name.as_deref().unwrap_or_default();
        match asked.entry {
            Entry::IndexUrl | Entry::UvIndexUrl => Ok(pip::urls(self.index().as_slice())),
            Entry::ExtraIndexUrl | Entry::UvExtraIndexUrl => Ok(pip::urls(&self.extra())),
            Entry::PipConf => Ok(pip::conf(self.index().as_ref(), &self.extra())),
            Entry::UvUsername | Entry::PoetryUsername => {
                Ok(named(&self.sources(Protocol::PyPi)?, name)?.credential.username.clone().into())
            }
            Entry::UvPassword | Entry::PoetryPassword => {
                Ok(secret(&named(&self.sources(Protocol::PyPi)?, name)?.credential))
            }
            Entry::UvToml => uv::toml(self.index().as_ref(), &self.extra()),
            Entry::PoetryAuth => poetry::auth(&self.sources(Protocol::PyPi)?),
            Entry::Pypirc => twine::pypirc(&self.sources(Protocol::PyPiUpload)?),
            Entry::TwineUsername => {
                Ok(only(&self.sources(Protocol::PyPiUpload)?)?.credential.username.clone().into())
            }
            Entry::TwinePassword => Ok(secret(&only(&self.sources(Protocol::PyPiUpload)?)?.credential)),
            Entry::TwineUrl => Ok(only(&self.sources(Protocol::PyPiUpload)?)?.url.as_str().into()),
            Entry::Npmrc => npm::npmrc(&self.sources(Protocol::Npm)?, self.scopes),
            Entry::YarnrcYml => yarn::yarnrc(&self.sources(Protocol::Npm)?, self.scopes),
            Entry::NuGetConfig => nuget::config(&self.sources(Protocol::NuGet)?),
            Entry::NuGetCredentials => nuget::credentials(named(&self.sources(Protocol::NuGet)?, name)?),
            Entry::NuGetEndpoints => nuget::endpoints(&self.sources(Protocol::NuGet)?),
            Entry::NuGetPrefixes => nuget::prefixes(self.origins),
            Entry::NuGetToken => Ok(secret(one_credential(self.feed_credentials())?)),
            Entry::MavenSettings => maven::settings(&self.sources(Protocol::Maven)?),
            Entry::MavenMirror => maven::settings_with_mirror(&self.sources(Protocol::Maven)?),
            Entry::GradleProperties => gradle::properties(&self.sources(Protocol::Maven)?),
            Entry::GradleInit => gradle::init(&self.sources(Protocol::Maven)?),
            Entry::CargoCredentials => cargo::credentials(&self.sources(Protocol::Cargo)?),
            Entry::CargoConfig => cargo::config(&self.sources(Protocol::Cargo)?),
            Entry::CargoToken => Ok(cargo::token(&named(&self.sources(Protocol::Cargo)?, name)?.credential)),
            Entry::CargoIndex => Ok(cargo::index(named(&self.sources(Protocol::Cargo)?, name)?)),
            Entry::CargoProvider => {
                named(&self.sources(Protocol::Cargo)?, name).map(|_| cargo::PROVIDER.into())
            }
            Entry::Condarc => conda::condarc(&self.sources(Protocol::Conda)?),
            Entry::CondaToken | Entry::FeedToken => {
                Ok(secret(one_credential(self.origins.iter().map(Origin::credential))?))
            }
            Entry::Netrc => netrc::render(self.origins),
            Entry::GitConfig => {
                let (collection, credential) = self.job.context("there is no job access token")?;
                git::config(collection, credential)
            }
            Entry::SystemToken => Ok(secret(self.job.context("there is no job access token")?.1)),
        }
    }

    /// The sources for a protocol; none is an error, since a client would find nothing in an empty file.
    fn sources(&self, protocol: Protocol) -> anyhow::Result<Vec<Source>> {
        let sources = self.all(protocol);
        anyhow::ensure!(!sources.is_empty(), "neither a feed nor a service connection serves {protocol:?} packages");
        Ok(sources)
    }

    fn all(&self, protocol: Protocol) -> Vec<Source> {
        self.origins.iter().filter_map(|origin| origin.source(protocol)).collect()
    }

    /// pip's and uv's default index, if there is to be one.
    fn index(&self) -> Option<Source> {
        match self.order {
            IndexOrder::FirstIsIndex => self.all(Protocol::PyPi).into_iter().next(),
            IndexOrder::AllExtra => None,
        }
    }

    fn extra(&self) -> Vec<Source> {
        self.all(Protocol::PyPi).into_iter().skip(usize::from(self.order == IndexOrder::FirstIsIndex)).collect()
    }

    fn feed_credentials(&self) -> impl Iterator<Item = &Credential> {
        self.origins.iter().filter(|origin| matches!(origin, Origin::Feed { .. })).map(Origin::credential)
    }
}

fn secret(credential: &Credential) -> SecretString {
    credential.secret.expose_secret().into()
}
