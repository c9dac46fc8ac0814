//! The step's output variables, read as `$(step.name)` in the job and through `dependencies` after it. Pure.
//!
//! Rule: each name is in `task.json`; one without a value is not set.

use std::path::Path;

use serde_json::{Map, Value};

use super::summary::Report;
use crate::buildx::metadata::Metadata;

/// The variables and their values, in the order in which the log shows them.
#[must_use]
pub fn outputs(report: &Report) -> Vec<(&'static str, String)> {
    let path = |path: &Path| path.display().to_string();
    let digests: Map<String, Value> =
        report.digests.iter().map(|(platform, digest)| (platform.clone(), digest.as_str().into())).collect();
    let digests = if digests.is_empty() { String::new() } else { Value::Object(digests).to_string() };
    let transcripts: Vec<String> = report.transcripts.iter().map(|file| path(file)).collect();
    let all = [
        ("imageDigest", report.digest.clone().unwrap_or_default()),
        ("imageDigests", digests),
        ("imageId", report.image_id.clone().unwrap_or_default()),
        ("imageReferences", report.references.join(",")),
        ("imageTags", report.tags.join(",")),
        ("buildRef", report.metadata.as_ref().and_then(Metadata::build_ref).unwrap_or_default().to_owned()),
        ("metadataFile", report.metadata_file.as_deref().map(path).unwrap_or_default()),
        // As `Docker@2` joins them: build, then push.
        ("DockerOutput", transcripts.join("\n")),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_declared_and_may_be_set() {
        let task: Value = serde_json::from_str(include_str!("../../task.json")).expect("JSON");
        let declared: Vec<_> = task["outputVariables"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|variable| variable["name"].as_str().expect("a name"))
            .collect();
        let names: Vec<_> = outputs(&whole()).iter().map(|(name, _)| *name).collect();
        assert_eq!(declared, names);
        let settable = task["restrictions"]["settableVariables"]["allowed"].as_array().expect("a list");
        let settable: Vec<_> = settable.iter().filter_map(Value::as_str).collect();
        assert_eq!(settable, [&names[..], &["RESOURCE_URIS"]].concat());
    }

    #[test]
    fn what_is_not_known_is_not_set() {
        assert_eq!(outputs(&Report::default()), []);
        let values: Vec<_> = outputs(&whole()).into_iter().map(|(_, value)| value).collect();
        assert_eq!(
            values,
            [
                "sha256:m",
                r#"{"linux/amd64":"sha256:a","linux/arm64":"sha256:b"}"#,
                "sha256:c",
                "h/app:1,h/app:2",
                "1,2",
                "default/default/x",
                "/t/m.json",
                "/t/b.txt\n/t/p.txt",
            ]
        );
    }

    fn whole() -> Report {
        Report {
            references: vec!["h/app:1".into(), "h/app:2".into()],
            tags: vec!["1".into(), "2".into()],
            digest: Some("sha256:m".into()),
            digests: [("linux/amd64", "sha256:a"), ("linux/arm64", "sha256:b")]
                .map(|(platform, digest)| (platform.to_owned(), digest.to_owned()))
                .into(),
            image_id: Some("sha256:c".into()),
            metadata: Metadata::parse(
                br#"{"buildx.build.ref": "default/default/x", "containerimage.digest": "m"}"#,
            )
            .ok(),
            metadata_file: Some("/t/m.json".into()),
            transcripts: vec!["/t/b.txt".into(), "/t/p.txt".into()],
            ..Report::default()
        }
    }
}
