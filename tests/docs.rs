//! The pipelines that the documents show can be parsed, and give the task inputs that it has.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_yaml_ng::Value;

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = root.join("docs").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    docs.chain([root.join("README.md")]).collect()
}

fn inputs() -> BTreeSet<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("task.json")).unwrap();
    let task: serde_json::Value = serde_json::from_str(&text).unwrap();
    let inputs = task["inputs"].as_array().unwrap().iter();
    inputs
        .flat_map(|input| {
            let aliases = input["aliases"].as_array().cloned().unwrap_or_default();
            aliases.into_iter().chain([input["name"].clone()])
        })
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

/// The inputs of each use of the task in a pipeline or a part of one.
fn given(value: &Value, found: &mut Vec<String>) {
    if let Some(inputs) = value.get("inputs").filter(|_| {
        value
            .get("task")
            .and_then(Value::as_str)
            .is_some_and(|task| task.starts_with("DockerBuildWithFeeds@"))
    }) {
        found.extend(inputs.as_mapping().unwrap().keys().map(|key| key.as_str().unwrap().to_owned()));
    }
    match value {
        Value::Mapping(fields) => fields.values().for_each(|value| given(value, found)),
        Value::Sequence(items) => items.iter().for_each(|value| given(value, found)),
        _ => {}
    }
}

#[test]
fn every_pipeline_in_the_documents_gives_inputs_that_exist() {
    let known = inputs();
    let mut used = 0;
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for block in text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let place = format!("{}:\n{block}", path.display());
            let value: Value =
                serde_yaml_ng::from_str(block).unwrap_or_else(|error| panic!("{error} in {place}"));
            let mut found = Vec::new();
            given(&value, &mut found);
            used += found.len();
            let unknown: Vec<_> = found.iter().filter(|name| !known.contains(*name)).collect();
            assert!(unknown.is_empty(), "{unknown:?} in {place}");
        }
    }
    assert!(used > 10, "the documents show the task");
}
