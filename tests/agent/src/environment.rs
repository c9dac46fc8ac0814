//! The environment of a node task, in the order in which the agent lays it: later writes win.
//!
//! Step `env:`, public variables, secret variables, inputs, endpoints, task variables, prepended paths,
//! on top of the agent's own environment (`NodeHandler.cs`).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::Endpoint;
use crate::job::JobState;
use crate::task::Definition;
use crate::variable::{Variables, environment_name, expand_macros};

/// What a step adds to its job.
pub(crate) struct StepSettings<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) variables: Variables,
    pub(crate) task_variables: Variables,
    pub(crate) inputs: &'a [(String, String)],
    pub(crate) env: &'a [(String, String)],
    pub(crate) without: &'a [String],
    pub(crate) sources: &'a Path,
    /// What [`Endpoint::system`] gives.
    pub(crate) system: Vec<(String, String)>,
}

/// The whole environment of the step's process.
pub(crate) fn environment(job: &JobState, step: StepSettings<'_>) -> Result<BTreeMap<String, String>> {
    let mut environment = job.host.clone();
    for (name, value) in step.env {
        environment.insert(name.trim().to_owned(), expand(job, &step.variables, value));
    }
    let (mut public, mut secret) = (Vec::new(), Vec::new());
    for variable in step.variables.iter().filter(|variable| !variable.secret) {
        if variable.name.eq_ignore_ascii_case("agent.jobstatus") {
            environment.insert("agent.jobstatus".into(), variable.value.clone());
        }
        environment.insert(variable.environment_name(), variable.value.clone());
        public.push(&variable.name);
    }
    environment.insert("VSTS_PUBLIC_VARIABLES".into(), serde_json::json!(public).to_string());
    for variable in step.variables.iter().filter(|variable| variable.secret) {
        environment.insert(format!("SECRET_{}", variable.environment_name()), variable.value.clone());
        secret.push(&variable.name);
    }
    environment.insert("VSTS_SECRET_VARIABLES".into(), serde_json::json!(secret).to_string());

    let inputs = inputs(job, &step);
    environment.extend(inputs.iter().map(|(name, value)| (format!("INPUT_{name}"), value.clone())));
    environment.extend(step.system);
    for endpoint in referenced(&job.endpoints, step.definition, &inputs) {
        environment.extend(endpoint.environment());
    }
    for variable in step.task_variables.iter() {
        environment
            .insert(format!("VSTS_TASKVARIABLE_{}", variable.environment_name()), variable.value.clone());
    }
    if !job.prepended.is_empty() {
        let path = environment.remove("PATH").into_iter();
        let paths: Vec<String> = job.prepended.iter().rev().cloned().chain(path).collect();
        environment.insert("PATH".into(), paths.join(":"));
    }
    environment.insert("TF_BUILD".into(), "True".into());
    environment.retain(|name, _| !step.without.contains(name));
    for (name, value) in &environment {
        ensure!(!value.contains('\0'), "the value of `{name}` contains a null character");
    }
    Ok(environment)
}

/// All inputs by environment name: defaults, then what the step says, trimmed and with macros expanded.
fn inputs(job: &JobState, step: &StepSettings<'_>) -> BTreeMap<String, String> {
    let defaults = step.definition.inputs.iter().map(|input| (&input.name, input.default_value()));
    let given = step.inputs.iter().map(|(name, value)| (name, value.clone()));
    let mut inputs: BTreeMap<String, String> = defaults
        .chain(given)
        .map(|(name, value)| (environment_name(name.trim()), expand(job, &step.variables, &value)))
        .collect();
    for input in step.definition.inputs.iter().filter(|input| input.is("filepath")) {
        if let Some(value) = inputs.get_mut(&environment_name(&input.name)) {
            let path = if value.is_empty() { step.sources.to_owned() } else { step.sources.join(&*value) };
            *value = path.to_string_lossy().into_owned();
        }
    }
    inputs
}

/// Trims, and expands macros from the job's variables, then from the agent's environment.
fn expand(job: &JobState, variables: &Variables, value: &str) -> String {
    expand_macros(&variables.expand(value.trim()), |name| job.host.get(name).cloned())
}

/// The endpoints whose ids stand in a `connectedService:` input.
fn referenced<'a>(
    endpoints: &'a [Endpoint],
    definition: &Definition,
    inputs: &BTreeMap<String, String>,
) -> impl Iterator<Item = &'a Endpoint> {
    let ids: Vec<String> = definition
        .inputs
        .iter()
        .filter(|input| input.is("connectedservice:"))
        .filter_map(|input| inputs.get(&environment_name(&input.name)))
        .flat_map(|ids| ids.split(','))
        .map(|id| id.trim().to_lowercase())
        .collect();
    endpoints.iter().filter(move |endpoint| ids.contains(&endpoint.id.to_lowercase()))
}
