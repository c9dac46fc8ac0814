//! Needles in the JSON documents of an image: its config, manifest, index and attestations.
//!
//! Rule: a place is named as its author would, e.g. "label `x`". What a parser does not show, such as a key that occurs
//! twice, is found in the bytes of the document.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::search::{Hit, Searcher};
use crate::form::Form;

/// What a JSON document of an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// Config: OCI image specification, config.md.
    Config,
    /// Manifest: OCI image specification, manifest.md.
    Manifest,
    /// Index: OCI image specification, image-index.md.
    Index,
    /// An in-toto statement that BuildKit attached.
    Attestation,
}

/// A needle in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The index in [`Searcher::needles`].
    pub needle: usize,
    /// How it is written there.
    pub form: Form,
    /// Where, without the needle.
    pub place: Place,
}

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An environment variable of the image, by its name.
    Variable(String),
    /// A label, by its name.
    Label(String),
    /// Entry of the history, from 0.
    History(usize),
    /// An annotation, by its name, and what it is of.
    Annotation(String, &'static str),
    /// What else the document has, for people.
    Other(String),
}

/// Finds needles in a document, one spot for each needle and place.
#[must_use]
pub fn search(searcher: &Searcher, document: Document, json: &[u8]) -> Vec<Spot> {
    let mut spots = BTreeMap::new();
    if let Ok(value) = serde_json::from_slice(json) {
        let kind = document.name(&value);
        visit(&value, &mut Vec::new(), &mut |path, text| {
            searcher.find(text.as_bytes(), &mut |Hit { needle, form, .. }| {
                let place = place(searcher, document, &kind, path, text);
                spots.entry((needle, place)).or_insert(form);
            });
        });
    }
    let found: Vec<usize> = spots.keys().map(|(needle, _)| *needle).collect();
    searcher.find(json, &mut |Hit { offset, needle, form }| {
        if !found.contains(&needle) {
            let place = Place::Other(format!("byte {offset} of the {}", document.name(&Value::Null)));
            spots.entry((needle, place)).or_insert(form);
        }
    });
    spots.into_iter().map(|((needle, place), form)| Spot { needle, form, place }).collect()
}

impl Document {
    fn name(self, content: &Value) -> String {
        match self {
            Self::Config => "config".to_owned(),
            Self::Manifest => "manifest".to_owned(),
            Self::Index => "index".to_owned(),
            Self::Attestation => match content["predicateType"].as_str() {
                Some(kind) if kind.contains("provenance") => "provenance attestation".to_owned(),
                Some(kind) if kind.contains("spdx") => "SBOM attestation".to_owned(),
                _ => "attestation".to_owned(),
            },
        }
    }
}

/// A step from a value to one within it.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Shows every string, also those that are keys, with the way to it.
fn visit<'a>(value: &'a Value, path: &mut Vec<Step<'a>>, show: &mut dyn FnMut(&[Step<'a>], &'a str)) {
    match value {
        Value::String(text) => show(path, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                visit(item, path, show);
                path.pop();
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                path.push(Step::Key(key));
                show(path, key);
                visit(member, path, show);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn place(searcher: &Searcher, document: Document, kind: &str, path: &[Step<'_>], text: &str) -> Place {
    use Step::{Index, Key};
    let named = |name: &str| searcher.redact(name);
    match (document, path) {
        (Document::Config, [Key("config"), Key("Env"), Index(_)]) => {
            Place::Variable(named(text.split_once('=').map_or(text, |(name, _)| name)))
        }
        (Document::Config, [Key("config"), Key("Labels"), Key(name)]) => Place::Label(named(name)),
        (Document::Config, [Key("config"), Key("Entrypoint"), ..]) => {
            Place::Other("the entrypoint".to_owned())
        }
        (Document::Config, [Key("config"), Key("Cmd"), ..]) => Place::Other("the command".to_owned()),
        (Document::Config, [Key("config"), Key("Healthcheck"), ..]) => {
            Place::Other("the health check".to_owned())
        }
        (Document::Config, [Key("history"), Index(entry), Key("created_by"), ..]) => Place::History(*entry),
        (Document::Manifest, [.., Key("annotations"), Key(name)]) => {
            Place::Annotation(named(name), "manifest")
        }
        (Document::Index, [.., Key("annotations"), Key(name)]) => Place::Annotation(named(name), "index"),
        _ => Place::Other(format!("`{}` of the {kind}", named(&dotted(path)))),
    }
}

/// E.g. `predicate.buildDefinition.items[0]`.
fn dotted(path: &[Step<'_>]) -> String {
    let mut dotted = String::new();
    for step in path {
        let _ = match step {
            Step::Key(key) if dotted.is_empty() => write!(dotted, "{key}"),
            Step::Key(key) => write!(dotted, ".{key}"),
            Step::Index(index) => write!(dotted, "[{index}]"),
        };
    }
    dotted
}
