//! Exports of an image that was checked: to a repository by its digest, into the engine's store, into files, as a cache.
//!
//! Rule: an export builds nothing. It is another call of the client with everything in the builder's cache; it gets no
//! secret, and what it exports is compared with what was checked.

use anyhow::Context as _;

use super::attestation::Attestations;
use super::cache::Cache;
use super::engine::StoredImage;
use super::metadata::Metadata;
use super::options::BuildOptions;
use super::output::FileOutput;
use super::progress::{BuildLog, StepEnd, Told};
use super::supply::Supply;
use super::workshop::{Call, Workshop};
use crate::acquire::Acquired;
use crate::error::hinted;
use crate::guard::image::Image;
use crate::registry::by_digest::Checked;
use crate::registry::logins::Logins;
use crate::registry::reference::Repository;

impl Workshop<'_> {
    /// Pushes the image to a repository without a tag; returns the digest under which it is there.
    pub async fn push_by_digest(
        &self,
        repository: &Repository,
        logins: &Logins<'_>,
    ) -> anyhow::Result<String> {
        let output = self.plan.options.outputs.push_spec(&repository.to_string());
        let attestations = self.plan.options.attestations.clone();
        let options = BuildOptions { attestations, ..cached(&self.plan.options) };
        self.export(&options, output, None, "the push", logins).await?;
        Ok(self.metadata()?.digest)
    }

    /// Loads the image into the store of the docker context's engine, without a name, after a comparison.
    pub async fn load(&self, checked: &Checked, logins: &Logins<'_>) -> anyhow::Result<StoredImage> {
        let engine = self.engine.context("there is no engine to load the image into")?;
        let keeps_manifests = !engine.has_classic_store().await?;
        let output = self.plan.options.outputs.load_spec(keeps_manifests);
        self.export(&cached(&self.plan.options), output, None, "loading the image", logins).await?;
        let Metadata { digest, config, .. } = self.metadata()?;
        let id = config.unwrap_or(digest);
        let image =
            engine.image(&id).await?.with_context(|| format!("the engine did not keep the image `{id}`"))?;
        let found = image.manifest.as_ref().unwrap_or(&image.id);
        let known = |image: &Image| image.manifest.as_ref() == Some(found) || image.config == *found;
        if *found != checked.root && !checked.images.iter().any(known) {
            return Err(rebuilt(&format!("the engine got {found}"), self));
        }
        Ok(image)
    }

    /// Writes the image into files.
    pub async fn write(&self, file: &FileOutput, logins: &Logins<'_>) -> anyhow::Result<()> {
        let what = format!("writing `{}`", file.dest.display());
        let log = self.export(&cached(&self.plan.options), file.spec(), None, &what, logins).await?;
        match again(&log) {
            Some(instruction) => Err(rebuilt(
                &format!("`{}` comes from another run of `{instruction}`", file.dest.display()),
                self,
            )),
            None => Ok(()),
        }
    }

    /// Writes the build's cache to where others find it.
    pub async fn write_cache(&self, cache: &Cache, logins: &Logins<'_>) -> anyhow::Result<()> {
        let output = "type=cacheonly".to_owned();
        self.export(
            &cached(&self.plan.options),
            output,
            Some(cache),
            &format!("writing the cache `{}`", cache.place()),
            logins,
        )
        .await?;
        Ok(())
    }

    async fn export(
        &self,
        options: &BuildOptions,
        output: String,
        cache_to: Option<&Cache>,
        what: &str,
        logins: &Logins<'_>,
    ) -> anyhow::Result<BuildLog> {
        self.cancel.unless(logins.refresh()).await?;
        let supply = Supply { first: &Acquired::default(), source: None, logins };
        let call = Call { options, output, cache_to, secrets: &[], supply, examine: None };
        let mut tell = |told: Told<'_>| {
            if let Told::Line(line) = told {
                self.console.line(line);
            }
        };
        let outcome = self.call(&call, &mut tell).await?;
        match outcome.failure(what, self.builder) {
            Some(error) => Err(error),
            None => Ok(outcome.log),
        }
    }
}

/// The options for a call that finds everything in the cache.
fn cached(options: &BuildOptions) -> BuildOptions {
    BuildOptions {
        no_cache: false,
        no_cache_filters: Vec::new(),
        ssh: Vec::new(),
        attestations: Attestations::default(),
        ..options.clone()
    }
}

/// The first command that ran although it should have been in the cache.
fn again(log: &BuildLog) -> Option<&str> {
    let steps = log.steps.iter().filter(|step| step.end != StepEnd::Cached);
    let mut instructions =
        steps.filter_map(|step| step.instruction.as_ref()).map(|instruction| instruction.text.as_str());
    instructions.find(|text| text.starts_with("RUN "))
}

fn rebuilt(what: &str, workshop: &Workshop<'_>) -> anyhow::Error {
    hinted(
        format!("builder `{}` exported something else than was checked: {what}", workshop.builder.name),
        "it built again instead of taking the image from its cache: give the builder more space for its cache, and let \
         no other job prune it meanwhile",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::buildx::progress::{BuildStep, Instruction};

    #[test]
    fn a_command_that_ran_is_told_from_what_was_cached() {
        let log = |steps: &[(&str, StepEnd)]| BuildLog {
            steps: steps
                .iter()
                .map(|(name, end)| BuildStep {
                    name: (*name).to_owned(),
                    instruction: Instruction::parse(name),
                    end: *end,
                    duration: Duration::ZERO,
                })
                .collect(),
            ..BuildLog::default()
        };
        let cached = [
            ("[internal] load .dockerignore", StepEnd::Done),
            ("[1/3] FROM base", StepEnd::Done),
            ("[2/3] RUN make", StepEnd::Cached),
            ("[3/3] COPY a b", StepEnd::Done),
        ];
        assert_eq!(again(&log(&cached)), None);
        assert_eq!(
            again(&log(&[cached[2], ("[build 2/3] RUN make all", StepEnd::Done)])),
            Some("RUN make all")
        );
    }
}
