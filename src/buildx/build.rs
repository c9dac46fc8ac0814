//! Builds, and finds out what was built, or why not.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use super::builder::Driver;
use super::check::Findings;
use super::client::Client;
use super::engine::{Engine, StoredImage};
use super::metadata::Metadata;
use super::progress::{BuildLog, Told};
use super::supply::Supply;
use super::workshop::{Call, Examine, Outcome, Workshop};
use crate::guard::image::Examined;
use crate::registry::by_digest::Checked;
use crate::secret::Secret;

/// From where to where in the step's progress a build goes, in percent.
const SHARE: std::ops::Range<u16> = 10..80;

/// What was built, and where it is.
pub enum Built<'a> {
    /// In the store of the engine.
    Stored {
        /// The engine.
        engine: &'a Engine,
        /// The image.
        image: StoredImage,
        /// The digest of its config, where it is known before a push.
        config: Option<String>,
    },
    /// Nowhere but in the cache of a builder of another driver.
    Exported {
        /// Who built it.
        workshop: &'a Workshop<'a>,
        /// What its export holds.
        checked: Checked,
        /// What was found in it.
        examined: Box<Examined>,
    },
}

/// What came of a build.
pub struct Attempt<'a> {
    /// The image, `None` if a `call` asked for none, or why there is none.
    pub result: anyhow::Result<Option<Built<'a>>>,
    /// What buildx wrote about the image; the older client writes nothing.
    pub metadata: Option<Metadata>,
    /// What is known of the build's steps.
    pub log: BuildLog,
    /// The ids of the engine's records of it, if `buildRecord` wants one.
    pub records: Vec<String>,
}

impl Workshop<'_> {
    /// Builds with these secrets and the user's own; a `call` builds nothing. The engine keeps the image; from any other
    /// builder it comes as a stream, which `examine` reads.
    pub async fn build(&self, supply: Supply<'_>, examine: &Examine) -> anyhow::Result<Attempt<'_>> {
        let secrets: Vec<&Secret> = supply.first.secrets.iter().chain(&self.plan.own).collect();
        let options = &self.plan.options;
        let streams = options.call.is_none() && self.builder.driver != Driver::Docker;
        let output = match self.archive() {
            _ if streams => options.outputs.stream_spec(),
            Some(archive) => options.outputs.archive_spec(&archive),
            None => options.outputs.image_spec(),
        };
        let call = Call {
            options,
            output,
            cache_to: None,
            secrets: &secrets,
            supply,
            examine: streams.then(|| Arc::clone(examine)),
        };
        let mut tell = |told: Told<'_>| match told {
            Told::Line(line) => self.console.line(line),
            Told::Percent { percent, done, all } => {
                self.console.progress(share(percent), &format!("{done} of {all} instructions are built"));
            }
        };
        let outcome = self.call(&call, &mut tell).await?;
        let what =
            options.call.as_ref().map_or_else(|| "the build".to_owned(), |call| format!("`call: {call}`"));
        let (mut log, records) = (outcome.log.clone(), outcome.records.clone());
        let findings = options.call.as_ref().and_then(|_| Findings::parse(&self.result().ok()?));
        if let Some(findings) = &findings {
            log.warnings = findings.warnings(|text| self.console.redact(text));
        }
        let result = match outcome.failure(&what, self.builder) {
            Some(error) => Err(findings.and_then(|findings| findings.error()).unwrap_or(error)),
            None if options.call.is_some() => Ok(None),
            None => self.built(outcome).await.map(Some),
        };
        // The next call overwrites it.
        let metadata = matches!(self.client, Client::Buildx(_)).then(|| self.metadata().ok()).flatten();
        Ok(Attempt { metadata: metadata.filter(|_| matches!(result, Ok(Some(_)))), result, log, records })
    }

    /// The archive that an image for the engine's store comes in, if it does.
    fn archive(&self) -> Option<PathBuf> {
        self.plan.options.outputs.needs_archive().then(|| self.folder.path().join("image.tar"))
    }

    async fn built(&self, outcome: Outcome) -> anyhow::Result<Built<'_>> {
        if let Some(examined) = outcome.examined {
            let mut examined = examined.context("the image cannot be checked")?;
            let checked = Checked::take(&mut examined)?;
            return Ok(Built::Exported { workshop: self, checked, examined: examined.into() });
        }
        let engine = self.engine.context("no engine has built")?;
        if let Some(archive) = self.archive() {
            self.cancel.unless(engine.load(&archive)).await?;
            std::fs::remove_file(&archive).context("cannot remove the image's archive")?;
        }
        match self.client {
            Client::Buildx(_) => {
                let metadata = self.metadata()?;
                let manifest = metadata.manifest().map(str::to_owned);
                let image = StoredImage { id: metadata.digest, manifest };
                Ok(Built::Stored { engine, image, config: metadata.config })
            }
            Client::Docker(_) => {
                let id = String::from_utf8_lossy(&self.result()?).trim().to_owned();
                let image = engine.image(&id).await?;
                let image = image
                    .with_context(|| format!("the engine does not know the image `{id}` that it built"))?;
                Ok(Built::stored(engine, image))
            }
        }
    }
}

impl<'a> Built<'a> {
    /// An image of the engine's store, of which no more is known.
    #[must_use]
    pub fn stored(engine: &'a Engine, image: StoredImage) -> Self {
        let config = image.manifest.is_none().then(|| image.id.clone());
        Self::Stored { engine, image, config }
    }

    /// The digests of its manifest, or index, and of its config, as far as there is one and it is known.
    #[must_use]
    pub fn digests(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::Stored { image, config, .. } => (image.manifest.clone(), config.clone()),
            Self::Exported { checked, .. } => {
                let config = match &checked.images[..] {
                    [image] => Some(image.config.clone()),
                    _ => None,
                };
                (Some(checked.root.clone()), config)
            }
        }
    }
}

/// The step's progress when the build's is `percent`.
fn share(percent: u8) -> u8 {
    let passed = u16::from(percent.min(100)) * (SHARE.end - SHARE.start) / 100;
    u8::try_from(SHARE.start + passed).unwrap_or(100)
}
