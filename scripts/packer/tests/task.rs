//! `task.json`, held against the format of the task library's schema and against the project's own rules for inputs.
//!
//! Rule: the types below are the format; a property that they do not name is refused, as the schema does.
#![expect(dead_code, reason = "most properties are there to be parsed, not to be read")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Task {
    id: String,
    name: String,
    friendly_name: String,
    description: String,
    author: String,
    help_mark_down: String,
    category: Category,
    visibility: Vec<Visibility>,
    runs_on: Vec<RunsOn>,
    version: Version,
    minimum_agent_version: String,
    instance_name_format: String,
    show_environment_variables: bool,
    groups: Vec<Group>,
    inputs: Vec<Input>,
    data_source_bindings: Vec<DataSourceBinding>,
    output_variables: Vec<OutputVariable>,
    restrictions: Restrictions,
    execution: Execution,
    postjobexecution: Execution,
}

#[derive(Deserialize)]
enum Category {
    Build,
}

#[derive(Deserialize)]
enum Visibility {
    Build,
    Release,
}

#[derive(Deserialize)]
enum RunsOn {
    Agent,
    DeploymentGroup,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Group {
    name: String,
    display_name: String,
    is_expanded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Input {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(rename = "type")]
    kind: InputKind,
    label: String,
    group_name: String,
    default_value: Option<Default>,
    #[serde(default)]
    required: bool,
    visible_rule: Option<String>,
    help_mark_down: String,
    options: Option<BTreeMap<String, String>>,
    properties: Option<Properties>,
}

/// `filePath` is left out on purpose: the agent turns an empty one into the sources directory.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
enum InputKind {
    Boolean,
    MultiLine,
    PickList,
    String,
    #[serde(rename = "connectedService:dockerregistry")]
    DockerRegistry,
    #[serde(rename = "connectedService:externalPythonDownloadFeed")]
    PythonIndex,
    #[serde(rename = "connectedService:externalnpmregistry")]
    NpmRegistry,
    #[serde(rename = "connectedService:ExternalNuGetFeed")]
    NuGetSource,
    #[serde(rename = "connectedService:externalmavenrepository")]
    MavenRepository,
    #[serde(rename = "connectedService:externalcargorepository")]
    CargoRegistry,
    #[serde(rename = "connectedService:workloadidentityuser")]
    WorkloadIdentity,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Default {
    Boolean(bool),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Properties {
    #[serde(rename = "EditableOptions")]
    editable_options: Option<True>,
    #[serde(rename = "MultiSelectFlatList")]
    multi_select_flat_list: Option<True>,
    resizable: Option<bool>,
    rows: Option<String>,
}

/// The schema wants this word where it means a boolean.
#[derive(Deserialize)]
enum True {
    True,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DataSourceBinding {
    target: String,
    endpoint_id: String,
    endpoint_url: String,
    result_selector: String,
    result_template: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputVariable {
    name: String,
    description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Restrictions {
    commands: Commands,
    settable_variables: SettableVariables,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Commands {
    mode: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettableVariables {
    allowed: Vec<String>,
}

/// Handlers by their names.
type Execution = BTreeMap<String, Handler>;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Handler {
    target: String,
}

fn task() -> Task {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../task.json");
    let text = fs::read(file).expect("the repository has a task.json");
    serde_json::from_slice(&text).expect("task.json has the task library's format")
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

#[test]
fn names_and_lengths_are_what_the_service_takes() {
    let task = task();
    assert_eq!(task.name, "DockerBuildWithFeeds");
    assert_eq!(task.id, "57096588-cbe5-4595-8deb-17346db2d3e1", "the id of a published task never changes");
    assert!(task.friendly_name.len() <= 40, "{}", task.friendly_name);
    assert_eq!(task.minimum_agent_version, "2.144.0", "the first agent that knows `Node10`");
    for name in
        task.inputs.iter().map(|input| &input.name).chain(task.output_variables.iter().map(|v| &v.name))
    {
        assert!(is_name(name), "{name}");
    }
}

#[test]
fn the_old_names_of_inputs_are_aliases() {
    let aliases: Vec<_> = task()
        .inputs
        .into_iter()
        .flat_map(|input| input.aliases.into_iter().map(move |alias| (alias, input.name.clone())))
        .collect();
    let expected =
        ("azureDevOpsServiceConnection".to_owned(), "workloadIdentityServiceConnection".to_owned());
    assert_eq!(aliases, [expected]);
}

#[test]
fn the_inputs_and_their_defaults() {
    let task = task();
    let defaults: Vec<_> = task
        .inputs
        .iter()
        .map(|input| {
            let default = match &input.default_value {
                Some(Default::Boolean(value)) => value.to_string(),
                Some(Default::Text(text)) => text.clone(),
                None => String::new(),
            };
            format!("{}: {:?} = {default}", input.name, input.kind)
        })
        .collect();
    assert_eq!(
        defaults,
        [
            "artifactFeeds: PickList = ",
            "onlyAddExtraIndex: Boolean = false",
            "pythonDownloadServiceConnections: PythonIndex = ",
            "npmServiceConnections: NpmRegistry = ",
            "nuGetServiceConnections: NuGetSource = ",
            "mavenServiceConnections: MavenRepository = ",
            "cargoServiceConnections: CargoRegistry = ",
            "workloadIdentityServiceConnection: WorkloadIdentity = ",
            "feedUrl: MultiLine = ",
            "feedToken: PickList = auto",
            "npmScopes: MultiLine = ",
            "containerRegistry: DockerRegistry = ",
            "repository: PickList = ",
            "command: PickList = buildAndPush",
            "Dockerfile: String = **/Dockerfile",
            "buildContext: String = **",
            "tags: MultiLine = $(Build.BuildId)",
            "flavor: MultiLine = ",
            "defaultBranch: String = ",
            "labels: MultiLine = ",
            "annotations: MultiLine = ",
            "platforms: MultiLine = ",
            "outputs: MultiLine = ",
            "sourceDateEpoch: String = ",
            "buildArgs: MultiLine = ",
            "target: String = ",
            "network: String = ",
            "noCache: Boolean = false",
            "pull: Boolean = false",
            "noCacheFilters: String = ",
            "cacheFrom: MultiLine = ",
            "cacheTo: MultiLine = ",
            "builder: String = ",
            "buildContexts: MultiLine = ",
            "call: PickList = build",
            "addHosts: MultiLine = ",
            "allow: String = ",
            "ssh: String = ",
            "shmSize: String = ",
            "ulimit: MultiLine = ",
            "cgroupParent: String = ",
            "load: Boolean = false",
            "addPipelineData: Boolean = true",
            "addBaseImageData: Boolean = true",
            "ociLabels: Boolean = false",
            "ociAnnotations: Boolean = false",
            "provenance: String = ",
            "sbom: String = ",
            "attests: MultiLine = ",
            "arguments: String = ",
            "secretIds: MultiLine = ",
            "secrets: MultiLine = ",
            "secretFiles: MultiLine = ",
            "secretEnvs: MultiLine = ",
            "missingSecrets: PickList = error",
            "leakCheck: PickList = full",
            "leakCheckAllow: MultiLine = ",
            "keepLeakedImage: Boolean = false",
            "buildRecord: Boolean = false",
            "allowInsecureBuilder: Boolean = false",
        ]
    );
}

#[test]
fn every_input_is_in_a_group_and_has_help_with_an_example() {
    let task = task();
    let used: BTreeSet<_> = task.inputs.iter().map(|input| input.group_name.as_str()).collect();
    let groups: BTreeSet<_> = task.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(used, groups);
    for Input { name, label, help_mark_down: help, .. } in &task.inputs {
        assert!(!label.is_empty(), "{name}");
        assert!(help.contains("Example:") && help.ends_with('`'), "{name}: {help}");
    }
}

#[test]
fn a_list_of_choices_has_options_or_a_source_and_holds_its_default() {
    let task = task();
    for Input { name, kind, options, default_value, .. } in &task.inputs {
        let bound = task.data_source_bindings.iter().any(|binding| binding.target == *name);
        assert_eq!(options.is_some() || bound, *kind == InputKind::PickList, "{name}");
        if let (Some(options), Some(Default::Text(default))) = (options, default_value) {
            assert!(options.contains_key(default), "{name}");
        }
    }
    for DataSourceBinding { target, .. } in &task.data_source_bindings {
        assert!(task.inputs.iter().any(|input| input.name == *target), "{target}");
    }
}

#[test]
fn a_build_can_set_no_variable_but_the_outputs() {
    let task = task();
    let outputs: Vec<_> = task.output_variables.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(
        outputs,
        [
            "imageDigest",
            "imageDigests",
            "imageId",
            "imageReferences",
            "imageTags",
            "buildRef",
            "metadataFile",
            "DockerOutput"
        ]
    );
    // A variable of the job, which the service reads by that name; declared as an output it would be none.
    let settable = [&outputs[..], &["RESOURCE_URIS"]].concat();
    assert_eq!(task.restrictions.settable_variables.allowed, settable);
    // `restricted` would drop the summary.
    assert_eq!(task.restrictions.commands.mode, "any");
}

#[test]
fn every_handler_starts_the_same_file() {
    let task = task();
    for (execution, target) in [(&task.execution, "launcher.js"), (&task.postjobexecution, "post-job.js")] {
        let names: Vec<&str> = execution.keys().map(String::as_str).collect();
        assert_eq!(names, ["Node10", "Node16", "Node20_1", "Node24"]);
        assert!(execution.values().all(|handler| handler.target == target));
    }
}

#[test]
fn every_field_has_its_reason_in_the_docs() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let task: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(format!("{root}/task.json")).unwrap()).unwrap();
    let page = fs::read_to_string(format!("{root}/docs/task-json.md")).unwrap();
    let rows: BTreeSet<&str> =
        page.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0)).collect();
    let fields: BTreeSet<&str> = task.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(rows, fields);
}
