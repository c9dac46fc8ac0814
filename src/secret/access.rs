//! The sources of a build and how they are shared out; gives each entry of the catalogue its text.

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::catalogue::{Asked, Entry};
use super::{
    cargo, conda, git, gradle, maven, named, netrc, npm, nuget, one_credential, only, pip, poetry, twine, uv,
    yarn,
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
            Entry::UvUsername => {
                Ok(named(&self.sources(Protocol::PyPi)?, name)?.credential.username.clone().into())
            }
            Entry::UvPassword => Ok(secret(&named(&self.sources(Protocol::PyPi)?, name)?.credential)),
            Entry::UvToml => Ok(uv::toml(self.index().as_ref(), &self.extra())),
            Entry::PoetryUsername => poetry::username(named(&self.sources(Protocol::PyPi)?, name)?),
            Entry::PoetryPassword => poetry::password(named(&self.sources(Protocol::PyPi)?, name)?),
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
            Entry::NuGetEndpoints => Ok(nuget::endpoints(&self.sources(Protocol::NuGet)?)),
            Entry::NuGetPrefixes => nuget::prefixes(self.origins),
            Entry::NuGetToken => Ok(secret(one_credential(self.feed_credentials())?)),
            Entry::MavenSettings => maven::settings(&self.sources(Protocol::Maven)?),
            Entry::MavenMirror => maven::settings_with_mirror(&self.sources(Protocol::Maven)?),
            Entry::GradleProperties => gradle::properties(&self.sources(Protocol::Maven)?),
            Entry::GradleInit => Ok(gradle::init(&self.sources(Protocol::Maven)?)),
            Entry::CargoCredentials => cargo::credentials(&self.sources(Protocol::Cargo)?),
            Entry::CargoConfig => cargo::config(&self.sources(Protocol::Cargo)?),
            Entry::CargoToken => cargo::token(named(&self.sources(Protocol::Cargo)?, name)?),
            Entry::CargoIndex => Ok(cargo::index(named(&self.sources(Protocol::Cargo)?, name)?)),
            Entry::CargoProvider => {
                named(&self.sources(Protocol::Cargo)?, name).map(|_| cargo::PROVIDER.into())
            }
            Entry::Condarc => Ok(conda::condarc(&self.sources(Protocol::Conda)?)),
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
        anyhow::ensure!(
            !sources.is_empty(),
            "neither a feed nor a service connection serves {protocol:?} packages"
        );
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
        self.all(Protocol::PyPi)
            .into_iter()
            .skip(usize::from(self.order == IndexOrder::FirstIsIndex))
            .collect()
    }

    fn feed_credentials(&self) -> impl Iterator<Item = &Credential> {
        self.origins.iter().filter(|origin| matches!(origin, Origin::Feed { .. })).map(Origin::credential)
    }
}

fn secret(credential: &Credential) -> SecretString {
    credential.secret.expose_secret().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::name::FeedName;
    use crate::feed::service::Organization;

    fn render(feeds: &str, order: IndexOrder, id: &str) -> String {
        let collection = Url::parse("https://dev.azure.com/contoso/").expect("a URL");
        let credential = Credential::token(SecretString::from("to/ken"), None);
        let origins: Vec<Origin> = FeedName::parse_list(feeds)
            .expect("names")
            .into_iter()
            .map(|name| Origin::Feed {
                organization: Organization::of(&collection),
                base: Url::parse("https://pkgs.dev.azure.com/contoso/").expect("a URL"),
                name,
                credential: credential.clone(),
            })
            .collect();
        let access = Access { origins: &origins, order, scopes: &[], job: Some((&collection, &credential)) };
        let asked = Asked::by(id).expect("it is in the catalogue");
        access.render(id, &asked).expect("it can be rendered").expose_secret().to_owned()
    }

    const A: &str = "https://build:to%2Fken@pkgs.dev.azure.com/contoso/_packaging/a/pypi/simple/";
    const B: &str = "https://build:to%2Fken@pkgs.dev.azure.com/contoso/p/_packaging/b/pypi/simple/";

    #[test]
    fn feeds_are_shared_out_and_rendered_whole() {
        use IndexOrder::{AllExtra, FirstIsIndex};
        let table = [
            ("a,p/b", FirstIsIndex, "PIP_INDEX_URL", A.to_owned()),
            ("a,p/b", FirstIsIndex, "UV_DEFAULT_INDEX", A.to_owned()),
            ("a,p/b", FirstIsIndex, "PIP_EXTRA_INDEX_URL", B.to_owned()),
            ("a,p/b", AllExtra, "PIP_EXTRA_INDEX_URL", format!("{A} {B}")),
            ("a", FirstIsIndex, "PIP_EXTRA_INDEX_URL", String::new()),
            (
                "a,p/b",
                FirstIsIndex,
                "pip.conf",
                format!("[global]\nindex-url = {A}\nextra-index-url =\n    {B}\n"),
            ),
            ("a", FirstIsIndex, "pip.conf", format!("[global]\nindex-url = {A}\n")),
            (
                "a",
                FirstIsIndex,
                "netrc",
                "machine pkgs.dev.azure.com login build password to/ken\n\
                 machine contoso.pkgs.visualstudio.com login build password to/ken\n"
                    .to_owned(),
            ),
            ("a", AllExtra, "FEED_TOKEN", "to/ken".to_owned()),
        ];
        for (feeds, order, id, expected) in table {
            assert_eq!(render(feeds, order, id), expected, "{id} of {feeds} in {order:?}");
        }
    }
}
