//! The attributes of one rule.
//!
//! Rule: each is asked for once by its name, and what nobody asked for is an error.

use std::collections::BTreeMap;

use super::expression::{Scope, Template};
use crate::csv;
use crate::error::hinted;

/// The fields of a rule, by name.
pub(super) struct Attributes {
    /// `type`, in lower case.
    pub(super) kind: String,
    fields: BTreeMap<String, String>,
}

impl Attributes {
    pub(super) fn parse(line: &str) -> anyhow::Result<Self> {
        if line.matches('"').count() % 2 == 1 {
            return Err(hinted(
                "a double quote is not closed",
                "put the whole field into double quotes, e.g. `\"pattern=\\d{1,3}\"`",
            ));
        }
        let mut fields = BTreeMap::new();
        for field in csv::fields(line) {
            // A text alone is the value; the `=` of an expression makes no key of it.
            let (key, value) = match field.split_once('=').filter(|(key, _)| !key.contains("{{")) {
                Some((key, value)) => (key.trim().to_lowercase(), value),
                None => ("value".to_owned(), field.as_str()),
            };
            if fields.insert(key.clone(), value.trim().to_owned()).is_some() {
                return Err(hinted(
                    format!("it has two of `{key}`"),
                    "remove one; a field that holds a comma stands in double quotes, e.g. `\"pattern=\\d{1,3}\"`",
                ));
            }
        }
        let kind = fields.remove("type").unwrap_or_default().to_lowercase();
        Ok(Self { kind, fields })
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.fields.remove(name)
    }

    pub(super) fn need(&mut self, name: &str, example: &str) -> anyhow::Result<String> {
        self.take(name).ok_or_else(|| {
            let kind = &self.kind;
            hinted(format!("it has no `{name}`"), format!("write e.g. `type={kind},{name}={example}`"))
        })
    }

    /// `value`, if it is not empty.
    pub(super) fn value(&mut self) -> anyhow::Result<Option<Template>> {
        let value = self.take("value").filter(|value| !value.is_empty());
        value.map(|value| Template::parse(&value, Scope::Run)).transpose()
    }

    /// An error if a field is left that nobody asked for.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let Some((name, value)) = self.fields.first_key_value() else { return Ok(()) };
        let known = own_attributes(&self.kind).iter().chain(&["enable", "priority", "prefix", "suffix"]);
        let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
        let what = if name == "value" { format!("`{value}`") } else { format!("`{name}`") };
        Err(hinted(
            format!("`type={}` has no attribute {what}", self.kind),
            format!("its attributes are {}", known.join(", ")),
        ))
    }
}

/// The attributes that only some types have.
fn own_attributes(kind: &str) -> &'static [&'static str] {
    match kind {
        "schedule" => &["pattern"],
        "semver" | "pep440" => &["pattern", "value", "match"],
        "match" => &["pattern", "group", "value"],
        "edge" => &["branch"],
        "ref" => &["event"],
        "raw" => &["value"],
        _ => &["format"],
    }
}
