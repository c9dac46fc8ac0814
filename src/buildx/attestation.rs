//! What the image says of how it was built: provenance, a list of its software, and others.
//!
//! Rule: off unless asked for, and said so in every call: buildx would attest provenance on some engines and not on
//! others, which turns one image into an index.

use std::collections::BTreeMap;

use crate::csv;
use crate::error::hinted;

/// The attestations of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attestations {
    /// The value of `--provenance`; `None` is off.
    pub provenance: Option<String>,
    /// The value of `--sbom`; `None` is off.
    pub sbom: Option<String>,
    /// Values of `--attest` of other types.
    pub others: Vec<String>,
}

impl Attestations {
    /// Puts together `--provenance` and `--sbom` (`true`, `false` or attributes) and the values of `--attest`, each
    /// with where it stands. As for buildx (`util/buildflags/attests.go`) the first of a type counts.
    pub fn parse(
        provenance: Option<&str>,
        sbom: Option<&str>,
        attests: &[(String, String)],
    ) -> anyhow::Result<Self> {
        // By type; `None` is off.
        let mut wanted: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (kind, value) in [("provenance", provenance), ("sbom", sbom)] {
            if let Some(value) = value {
                let attributes = match boolean(value) {
                    None => Some(value.to_owned()),
                    Some(on) => on.then(|| "true".to_owned()),
                };
                wanted.insert(kind.to_owned(), attributes);
            }
        }
        for (at, value) in attests {
            let (kind, attributes) = parse(at, value)?;
            wanted.entry(kind).or_insert(attributes);
        }
        Ok(Self {
            provenance: wanted.remove("provenance").flatten(),
            sbom: wanted.remove("sbom").flatten(),
            others: wanted
                .into_iter()
                .filter_map(|(kind, attributes)| match attributes?.as_str() {
                    "true" => Some(format!("type={kind}")),
                    attributes => Some(format!("type={kind},{attributes}")),
                })
                .collect(),
        })
    }

    /// Whether the provenance holds the build's arguments: in the mode `max`, which is BuildKit's default
    /// (`docs/attestations/slsa-provenance.md`).
    #[must_use]
    pub fn publish_build_args(&self) -> bool {
        let is_min = |attributes: &String| csv::fields(attributes).iter().any(|field| field == "mode=min");
        self.provenance.as_ref().is_some_and(|attributes| !is_min(attributes))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The type of a value of `--attest`, and its attributes: `true` if it has none, `None` if it is disabled.
fn parse(at: &str, value: &str) -> anyhow::Result<(String, Option<String>)> {
    const HINT: &str = "write an attestation like `type=provenance,mode=max`";
    let (mut kind, mut disabled, mut rest) = (None, false, Vec::new());
    for field in csv::fields(value) {
        let wrong = || hinted(format!("{at}: `{field}` is not `NAME=VALUE`"), HINT);
        let (key, value) = field.split_once('=').ok_or_else(wrong)?;
        match key.trim().to_lowercase().as_str() {
            "type" => kind = Some(value.to_owned()),
            "disabled" => disabled = boolean(value).ok_or_else(wrong)?,
            _ => rest.push(field),
        }
    }
    let kind = kind.ok_or_else(|| hinted(format!("{at}: `{value}` has no type"), HINT))?;
    let attributes =
        if rest.is_empty() { "true".to_owned() } else { csv::record(rest.iter().map(String::as_str)) };
    Ok((kind, (!disabled).then_some(attributes)))
}

/// A boolean as Go reads it (`strconv.ParseBool`).
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    fn attests(values: &[&str]) -> Vec<(String, String)> {
        values.iter().map(|value| ("input `attests`".to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_shorthand_is_a_switch_or_attributes() {
        for (value, expected) in
            [("true", Some("true")), ("1", Some("true")), ("false", None), ("mode=max", Some("mode=max"))]
        {
            let attestations = Attestations::parse(Some(value), None, &[]).expect(value);
            assert_eq!(attestations.provenance.as_deref(), expected, "{value}");
            let attestations = Attestations::parse(None, Some(value), &[]).expect(value);
            assert_eq!(attestations.sbom.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn the_long_form_is_taken_apart() {
        let long = attests(&[
            "type=provenance,mode=max,\"reason=a,b\"",
            "type=sbom",
            "type=provenance,mode=min",
            "y=z,type=x",
            "disabled=true,type=z",
        ]);
        let expected = Attestations {
            provenance: Some("mode=max,\"reason=a,b\"".to_owned()),
            sbom: Some("true".to_owned()),
            others: vec!["type=x,y=z".to_owned()],
        };
        assert_eq!(Attestations::parse(None, None, &long).expect("all are right"), expected);
        let off = Attestations::parse(Some("false"), Some("0"), &long[..3]).expect("the shorthand counts");
        assert!(off.is_empty(), "{off:?}");
    }

    #[test]
    fn what_is_no_attestation() {
        for (value, expected) in [
            ("mode=max", "`mode=max` has no type"),
            ("provenance", "`provenance` is not `NAME=VALUE`"),
            ("type=x,disabled=maybe", "`disabled=maybe` is not `NAME=VALUE`"),
        ] {
            let error = Attestations::parse(None, None, &attests(&[value])).expect_err(value);
            let hint = "write an attestation like `type=provenance,mode=max`";
            assert_eq!(render(&error), format!("input `attests`: {expected}\n\nhint: {hint}"));
        }
    }
}
