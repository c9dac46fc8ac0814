//! Makes findings of what was found in the blobs of an image.
//!
//! Rule: one finding a needle, layer and file; nothing that was found goes unsaid because its place is not known.

use std::collections::{BTreeMap, BTreeSet};

use super::age::makes_layer;
use super::archive::FileHit;
use super::config::{self, Document, Spot};
use super::finding::{Finding, Instruction, Place};
use super::image::{Blob, Blobs, Examined, Image, Options};
use super::layout::{History, Layout};
use super::mend;
use super::search::{Hit, Searcher};

/// How many findings of each kind are told; the rest is counted.
const MOST_FINDINGS: usize = 100;

pub(super) fn report(blobs: &Blobs, layout: Layout, searcher: &Searcher, options: &Options<'_>) -> Examined {
    let is_allowed = options.is_allowed;
    let mut report = Report { blobs, searcher, is_allowed, found: BTreeMap::new(), layers: BTreeSet::new() };
    for digest in &layout.indexes {
        report.document(digest, Document::Index, "", &Origin::default());
    }
    for attestation in &layout.attestations {
        report.document(&attestation.manifest, Document::Manifest, "", &Origin::default());
        for digest in &attestation.statements {
            report.document(digest, Document::Attestation, "", &Origin::default());
        }
    }
    for (image, history) in &layout.images {
        let origin = Origin::new(searcher, history, image.layers.len(), options);
        report.image(image, &origin);
    }
    report.rest();
    report.finish(layout)
}

/// What tells two findings apart: the needle, the blob, and the path or place in it.
type Key = (usize, String, String);

struct Report<'a> {
    blobs: &'a Blobs,
    searcher: &'a Searcher,
    is_allowed: &'a dyn Fn(&str) -> bool,
    /// Findings, and whether each is allowed.
    found: BTreeMap<Key, (Finding, bool)>,
    /// The digests of layers that images refer to.
    layers: BTreeSet<String>,
}

/// What made an image, as far as it says so.
#[derive(Default)]
struct Origin {
    entries: Vec<Instruction>,
    /// The entry that made each layer.
    of_layers: Vec<usize>,
}

impl Origin {
    fn new(searcher: &Searcher, history: &[History], layers: usize, options: &Options<'_>) -> Self {
        let texts: Vec<&str> = history.iter().map(|entry| entry.created_by.as_str()).collect();
        let lines = (options.lines)(&texts);
        let line = |index: usize| lines.get(index).copied().flatten();
        let entries = texts
            .iter()
            .enumerate()
            .map(|(index, text)| Instruction { text: searcher.redact(text), line: line(index) })
            .collect();
        let with_layer = history.iter().enumerate().filter(|(_, entry)| !entry.empty_layer);
        let of_layers: Vec<usize> = with_layer.map(|(index, _)| index).collect();
        // A history that has not one entry for each layer, or entries of other layers, tells nothing of any.
        let is_lost = |entry: &History| entry.empty_layer && makes_layer(&entry.created_by);
        let is_whole = of_layers.len() == layers && !history.iter().any(is_lost);
        let of_layers = if is_whole { of_layers } else { Vec::new() };
        Self { entries, of_layers }
    }

    fn of_layer(&self, index: usize) -> Option<&Instruction> {
        self.entries.get(*self.of_layers.get(index)?)
    }

    /// The instruction that wrote what the config holds at `place`: the last one that names it.
    fn of_place(&self, place: &config::Place) -> Option<&Instruction> {
        let (keyword, name) = match place {
            config::Place::History(entry) => return self.entries.get(*entry),
            config::Place::Variable(name) => ("ENV ", name),
            config::Place::Label(name) => ("LABEL ", name),
            config::Place::Annotation(..) | config::Place::Other(_) => return None,
        };
        self.entries
            .iter()
            .rev()
            .find(|entry| entry.text.starts_with(keyword) && entry.text.contains(name.as_str()))
    }
}

impl Report<'_> {
    fn image(&mut self, image: &Image, origin: &Origin) {
        for (digest, document) in image
            .manifest
            .iter()
            .map(|digest| (digest, Document::Manifest))
            .chain([(&image.config, Document::Config)])
        {
            self.document(digest, document, &image.platform, origin);
        }
        for (index, layer) in image.layers.iter().enumerate() {
            self.layers.insert(layer.digest.clone());
            let Some(Blob::Layer(walked, _)) = self.blobs.by_digest.get(&layer.digest) else { continue };
            let hits = walked.hits.iter().map(|hit| (hit, false));
            for (found, is_allowed) in hits.chain(walked.allowed.iter().map(|hit| (hit, true))) {
                let place = Place::Layer {
                    digest: layer.digest.clone(),
                    number: Some(index + 1),
                    path: self.redacted(&found.path),
                    offset: found.hit.offset,
                    in_header: found.in_header,
                    deleted_by: self.deleted_by(image, index, found),
                };
                let key = (found.hit.needle, layer.digest.clone(), found.path.join("!"));
                self.add(key, found.hit, place, &image.platform, origin.of_layer(index), is_allowed);
            }
        }
    }

    /// The number of the first later layer that deletes the file, or a folder that it lies in.
    fn deleted_by(&self, image: &Image, index: usize, found: &FileHit) -> Option<usize> {
        let path = found.path.first()?;
        let is_over = |deleted: &String| match path.strip_prefix(deleted.as_str()) {
            Some(rest) => rest.is_empty() || rest.starts_with('/') || deleted.is_empty(),
            None => false,
        };
        (index + 1..image.layers.len()).find_map(|later| {
            let Some(Blob::Layer(walked, _)) = self.blobs.by_digest.get(&image.layers[later].digest) else {
                return None;
            };
            walked.deleted.iter().any(is_over).then_some(later + 1)
        })
    }

    fn document(&mut self, digest: &str, document: Document, platform: &str, origin: &Origin) {
        match self.blobs.by_digest.get(digest) {
            Some(Blob::Document(bytes, _)) => {
                for Spot { needle, form, place } in config::search(self.searcher, document, bytes) {
                    let key = (needle, digest.to_owned(), format!("{place:?}"));
                    let hit = Hit { offset: 0, needle, form };
                    let instruction = origin.of_place(&place);
                    let is_allowed = (self.is_allowed)(&place.to_string());
                    self.add(key, hit, Place::Document(place), platform, instruction, is_allowed);
                }
            }
            // A statement too large to be kept: where in it does not matter.
            Some(Blob::Layer(walked, _)) => {
                for found in walked.hits.iter().chain(&walked.allowed) {
                    self.blob(digest, found.hit);
                }
            }
            Some(Blob::Skipped) | None => {}
        }
    }

    /// What no image refers to is found all the same, unless the needle is known to be elsewhere: docker saves some
    /// texts several times.
    fn rest(&mut self) {
        for (digest, blob) in &self.blobs.by_digest {
            let hits: Vec<Hit> = match blob {
                Blob::Document(_, hits) => hits.clone(),
                Blob::Layer(walked, _) if !self.layers.contains(digest) => {
                    walked.hits.iter().map(|found| found.hit).collect()
                }
                Blob::Layer(..) | Blob::Skipped => continue,
            };
            for hit in hits {
                if !self.found.keys().any(|(needle, ..)| *needle == hit.needle) {
                    self.blob(digest, hit);
                }
            }
        }
    }

    fn blob(&mut self, digest: &str, hit: Hit) {
        let place = Place::Blob { digest: digest.to_owned(), offset: hit.offset };
        self.add((hit.needle, digest.to_owned(), String::new()), hit, place, "", None, false);
    }

    fn add(
        &mut self,
        key: Key,
        hit: Hit,
        place: Place,
        platform: &str,
        instruction: Option<&Instruction>,
        is_allowed: bool,
    ) {
        let needle = &self.searcher.needles()[hit.needle];
        let (finding, _) = self.found.entry(key).or_insert_with(|| {
            let finding = Finding {
                needle: needle.name.clone(),
                severity: needle.severity,
                form: hit.form,
                platforms: Vec::new(),
                mend: mend::mend(&place, instruction),
                place,
                instruction: instruction.cloned(),
            };
            (finding, is_allowed)
        });
        if !platform.is_empty() && !finding.platforms.iter().any(|known| known == platform) {
            finding.platforms.push(platform.to_owned());
        }
    }

    fn redacted(&self, path: &[String]) -> Vec<String> {
        path.iter().map(|name| self.searcher.redact(name)).collect()
    }

    fn finish(self, layout: Layout) -> Examined {
        let mut examined = Examined {
            root: layout.root,
            absent: layout.absent,
            needles: self.searcher.needles().len(),
            ..Examined::default()
        };
        examined.attestations = layout.attestations.into_iter().map(|all| all.manifest).collect();
        examined.images = layout.images.into_iter().map(|(image, _)| image).collect();
        for (digest, blob) in &self.blobs.by_digest {
            match blob {
                Blob::Document(bytes, _) => examined.bytes += bytes.len() as u64,
                Blob::Skipped => examined.layers_skipped += 1,
                Blob::Layer(walked, _) => {
                    examined.bytes += walked.bytes;
                    examined.layers_searched += usize::from(self.layers.contains(digest));
                    examined.more_findings += walked.more_hits;
                    examined.more_allowed += walked.more_allowed;
                    examined.unopened.extend(walked.unopened.iter().cloned());
                    examined.more_unopened += walked.more_unopened;
                }
            }
        }
        let (allowed, findings): (Vec<_>, Vec<_>) =
            self.found.into_values().partition(|(_, is_allowed)| *is_allowed);
        (examined.findings, examined.more_findings) = bounded(findings, examined.more_findings);
        (examined.allowed, examined.more_allowed) = bounded(allowed, examined.more_allowed);
        examined
    }
}

/// Errors first; the rest is counted.
fn bounded(found: Vec<(Finding, bool)>, more: u64) -> (Vec<Finding>, u64) {
    let mut findings: Vec<Finding> = found.into_iter().map(|(finding, _)| finding).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let cut = findings.len().saturating_sub(MOST_FINDINGS);
    findings.truncate(MOST_FINDINGS);
    (findings, more + cut as u64)
}
