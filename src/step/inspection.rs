//! Reads an image for the check: what is searched for, where the bytes come from, and which layers need no reading.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::buildx::engine::{Engine, StoredImage};
use crate::buildx::local::{LocalImage, Platform};
use crate::dockerfile;
use crate::guard::age::{History, makes_layer};
use crate::guard::image::{self, Examined, Options};
use crate::guard::policy::{LeakCheck, Policy};
use crate::guard::{Needle, Searcher};
use crate::plan::Plan;
use crate::secret::known::Known;

/// How BuildKit is told to replace the clock (reproducible-builds.org, `SOURCE_DATE_EPOCH`).
const PINNED: &str = "SOURCE_DATE_EPOCH";

/// What is known of an image before it is built.
pub(super) struct Brief {
    policy: Policy,
    /// The Dockerfile; an image that an earlier step built has none here.
    source: Option<Source>,
    /// Whether times in the image may be other than those of the builder's clock.
    pinned: bool,
}

/// What an image's history is compared with.
struct Source {
    dockerfile: String,
    target: Option<String>,
    build_args: BTreeMap<String, String>,
}

impl Brief {
    /// `build_args` are the values that the build got.
    pub(super) fn new(plan: &Plan, build_args: BTreeMap<String, String>) -> Self {
        let source = plan.build.as_ref().map(|build| Source {
            dockerfile: build.text.clone(),
            target: build.options.target.clone(),
            build_args,
        });
        let epoch = plan.build.as_ref().and_then(|build| build.options.source_date_epoch);
        let is_pinned = |source: &Source| {
            epoch.is_some() || source.build_args.contains_key(PINNED) || source.dockerfile.contains(PINNED)
        };
        let pinned = source.as_ref().is_none_or(is_pinned);
        Self { policy: plan.policy.clone(), source, pinned }
    }
}

/// What an image is examined with.
pub(super) struct Inspection {
    searcher: Searcher,
    brief: Arc<Brief>,
}

impl Inspection {
    /// Searches for the secrets that are known now.
    pub(super) fn new(known: &[Known], brief: Arc<Brief>) -> Self {
        // An export is read in any case, since what is pushed has to be what was exported.
        let searched = known.iter().filter(|_| brief.policy.check != LeakCheck::Off);
        let needles = searched.filter_map(|known| known.needle().ok()).collect();
        Self { searcher: Searcher::new(needles), brief }
    }

    /// Examines an image as an archive, every layer of it.
    pub(super) fn examine(&self, archive: impl Read) -> anyhow::Result<Examined> {
        self.with_options(&BTreeSet::new(), |options| image::examine(archive, &self.searcher, options))
    }

    fn with_options(
        &self,
        skipped: &BTreeSet<String>,
        examine: impl FnOnce(&Options<'_>) -> anyhow::Result<Examined>,
    ) -> anyhow::Result<Examined> {
        let lines = |history: &[&str]| match &self.brief.source {
            Some(Source { dockerfile, target, build_args }) => {
                dockerfile::lines_of_history(dockerfile, target.as_deref(), build_args, history)
            }
            None => vec![None; history.len()],
        };
        examine(&Options {
            is_skipped: &|digest| skipped.contains(digest),
            is_allowed: &|path| self.brief.policy.allowance(path).is_some(),
            lines: &lines,
            ..Options::default()
        })
    }

    /// Examines an image of the engine's store: its files where they are ours to read, else its description alone if no
    /// more is wanted or needed, else the archive that the engine makes of it.
    pub(super) async fn read(
        self: Arc<Self>,
        engine: &Engine,
        image: &StoredImage,
    ) -> anyhow::Result<Examined> {
        if let Some(local) = engine.local_image(image).await? {
            let inspection = Arc::clone(&self);
            let read = move || inspection.examine_local(&*local);
            let read = tokio::task::spawn_blocking(read).await;
            // What is closed to us, or not as it should be, is the engine's to read.
            if let Ok(examined) = read.context("the thread that reads the image ended early")? {
                return Ok(examined);
            }
        }
        let description = engine.describe(&image.id).await?;
        let [inspect, history] = description
            .map(|text| serde_json::from_str::<Value>(&text).context("the engine's answer is cut short"));
        let (inspect, history) = (inspect?, history?);
        let layers = inspect["RootFS"]["Layers"].as_array().map_or(0, Vec::len);
        if self.brief.policy.check == LeakCheck::Config || self.predates_all(&inspect, &history) {
            let mut examined = self.examine(Cursor::new(described(&inspect, &history)?))?;
            examined.layers_skipped = layers;
            return Ok(examined);
        }
        engine.read_image(&image.id, move |archive| self.examine(archive)).await?
    }

    /// Whether the image is a single one of which every layer was made before every secret. An index has attestations or
    /// other platforms, of which the description says nothing.
    fn predates_all(&self, inspect: &Value, history: &Value) -> bool {
        let kind = inspect["Descriptor"]["mediaType"].as_str();
        let single = kind.is_none_or(|kind| kind.contains(".manifest.v"));
        let Some(entries) = history.as_array().filter(|_| single) else { return false };
        let layers = inspect["RootFS"]["Layers"].as_array().map_or(0, Vec::len);
        // The newest entry is the first.
        let last = entries.iter().find(|entry| entry["CreatedBy"].as_str().is_some_and(makes_layer));
        if entries.len() < layers || last.is_some_and(|entry| entry["Size"] == 0) {
            return false;
        }
        let created: Vec<Option<SystemTime>> =
            entries.iter().rev().map(|entry| entry["Created"].as_u64().map(seconds)).collect();
        !created.is_empty() && self.predating(&created) == created.len()
    }

    fn predating(&self, created: &[Option<SystemTime>]) -> usize {
        let births: Vec<_> = self.searcher.needles().iter().map(|needle: &Needle| needle.born).collect();
        History { created, pinned: self.brief.pinned }.predating(&births)
    }

    fn examine_local(&self, local: &dyn LocalImage) -> anyhow::Result<Examined> {
        let unread = self.unread(&local.platforms());
        self.with_options(&unread, |options| image::examine_files(local.files(), &self.searcher, options))
    }

    /// The layers that need no search: those that were made before every secret, all of them if only the config is wanted.
    fn unread(&self, platforms: &[Platform]) -> BTreeSet<String> {
        let (mut unread, mut read) = (BTreeSet::new(), BTreeSet::new());
        for Platform { config, layers } in platforms {
            let count = match self.brief.policy.check {
                LeakCheck::Config => layers.len(),
                _ => self.old_layers(config, layers.len()),
            };
            unread.extend(layers[..count].iter().cloned());
            read.extend(layers[count..].iter().cloned());
        }
        &unread - &read
    }

    /// How many of an image's `layers`, from the lowest on, were made before every secret.
    fn old_layers(&self, config: &Value, layers: usize) -> usize {
        let history = config["history"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_empty = |entry: &&Value| entry["empty_layer"] == true;
        let is_lost = |entry: &Value| entry["created_by"].as_str().is_some_and(makes_layer);
        let made = history.iter().filter(|entry| !is_empty(entry)).count();
        // A history that has not one entry for each layer tells the time of none.
        if made != layers || history.iter().filter(is_empty).any(is_lost) {
            return 0;
        }
        let created = |entry: &Value| humantime::parse_rfc3339(entry["created"].as_str()?).ok();
        let created: Vec<_> = history.iter().map(created).collect();
        let old = &history[..self.predating(&created)];
        old.iter().filter(|entry| !is_empty(entry)).count()
    }
}

fn seconds(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds)
}

/// The engine's description as an archive of an image without layers (moby `image/spec/v1.2.md`).
fn described(inspect: &Value, history: &Value) -> anyhow::Result<Vec<u8>> {
    let entries = history.as_array().map(Vec::as_slice).unwrap_or_default();
    let history: Vec<Value> = entries
        .iter()
        .rev()
        .map(|entry| json!({"created_by": entry["CreatedBy"], "comment": entry["Comment"], "empty_layer": true}))
        .collect();
    let mut rest = inspect.clone();
    let config = rest.as_object_mut().and_then(|members| members.remove("Config")).unwrap_or_default();
    let config = json!({
        "os": inspect["Os"], "architecture": inspect["Architecture"], "config": config, "history": history,
        "rootfs": {"type": "layers", "diff_ids": []}, "engine": rest,
    });
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in
        [("config", config), ("manifest.json", json!([{"Config": "config", "Layers": [], "RepoTags": null}]))]
    {
        let content = content.to_string();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o444);
        archive.append_data(&mut header, path, content.as_bytes()).context("cannot write to memory")?;
    }
    archive.into_inner().context("cannot write to memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Severity;

    /// Whether an image of two layers with this history, the newest entry first, needs no search.
    fn predates(history: &Value) -> bool {
        let needle = Needle {
            name: "the job access token".to_owned(),
            value: b"a-token-of-the-job".to_vec().into(),
            severity: Severity::Error,
            born: Some(seconds(1_800_000_000)),
        };
        let brief = Brief { policy: Policy::default(), source: None, pinned: false };
        let inspection = Inspection { searcher: Searcher::new(vec![needle]), brief: Arc::new(brief) };
        inspection.predates_all(&json!({"RootFS": {"Layers": ["sha256:1", "sha256:2"]}}), history)
    }

    #[test]
    fn a_history_of_other_layers_proves_no_age() {
        let old = 1_700_000_000;
        let entry = |text: &str, size: u64| json!({"Created": old, "CreatedBy": text, "Size": size});
        let (base, env) = (entry("ADD rootfs.tar /", 9), entry("ENV a=b", 0));
        let run = |size| entry("RUN /bin/sh -c make # buildkit", size);
        assert!(predates(&json!([run(5), base])));
        assert!(predates(&json!([env, run(5), base])));
        assert!(!predates(&json!([run(5)])), "shorter than the layers");
        assert!(!predates(&json!([run(0), base, base, base])), "longer than the layers");
        assert!(!predates(&json!([])));
    }
}
