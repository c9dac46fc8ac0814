//! Inputs and Dockerfile → the plan of the step. Pure; complete before the first request: it leaves no choice open.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::agent::inputs::{Command, Inputs};
use crate::agent::registry_connection::RegistryConnection;
use crate::agent::sources::SourceInputs;
use crate::buildx::options::BuildOptions;
use crate::dockerfile::{BaseImage, SecretMount};
use crate::error::hinted;
use crate::guard::policy::Policy;
use crate::registry::push::Destination;
use crate::registry::reference::{Repository, Tag};
use crate::secret::IndexOrder;
use crate::secret::Secret;
use crate::secret::catalogue::Asked;
use crate::secret::choice::{self, Wishes};
use crate::tags::Tagging;

/// Everything that the step will do.
#[derive(Debug)]
pub struct Plan {
    /// What kind of run this is.
    pub command: Command,
    /// The build; `None` for `command: push`.
    pub build: Option<BuildPlan>,
    /// The image's repository; `None` leaves the image without a name.
    pub repository: Option<Repository>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The connections of `containerRegistry`; the first is that of the registry that is pushed to.
    pub registries: Vec<RegistryConnection>,
    /// What is wanted of the check of the image.
    pub policy: Policy,
    /// `allowInsecureBuilder`.
    pub allow_insecure_builder: bool,
}

impl Plan {
    /// Where the image goes, if it gets a name.
    #[must_use]
    pub fn destination(&self) -> Option<Destination<'_>> {
        let repository = self.repository.as_ref()?;
        Some(Destination { repository, tags: &self.tags })
    }

    /// Whether any secret goes to the builder: those of the build, or the login for a push.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        let pushes = self.command != Command::Build && !self.registries.is_empty();
        pushes || self.build.as_ref().is_some_and(|build| !build.entries.is_empty() || !build.own.is_empty())
    }
}

/// A build.
#[derive(Debug)]
pub struct BuildPlan {
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// Its text.
    pub text: String,
    /// The build context, a path or a URL.
    pub context: String,
    /// The feeds and service connections.
    pub sources: SourceInputs,
    /// The ids to feed from the catalogue.
    pub entries: Vec<(String, Asked)>,
    /// How the feeds are shared out.
    pub order: IndexOrder,
    /// The user's own secrets.
    pub own: Vec<Secret>,
    /// The labels of `addPipelineData`.
    pub labels: Vec<String>,
    /// The base image, if it can be known.
    pub base: Option<BaseImage>,
    /// Whether it becomes labels (`addBaseImageData`).
    pub labels_base: bool,
    /// The other options.
    pub options: BuildOptions,
    /// The time of everything in the image, in seconds since 1970 (`sourceDateEpoch`).
    pub source_date_epoch: Option<u64>,
    /// `buildRecord`.
    pub build_record: bool,
    /// Variables that hold the user's own secrets; the client does not get them.
    pub variables: Vec<String>,
}

/// What was read from disk for a build.
#[derive(Debug)]
pub struct Material {
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// Its text.
    pub text: String,
    /// The build context.
    pub context: String,
    /// The labels that say which run built the image.
    pub labels: Vec<String>,
    /// The base image, if it can be known.
    pub base: Option<BaseImage>,
    /// The time for everything in the image.
    pub source_date_epoch: Option<u64>,
    /// What it mounts in the stages that the target reaches.
    pub mounts: Vec<SecretMount>,
    /// The user's own secrets.
    pub own: Vec<Secret>,
    /// Secrets that `arguments` names and whose source is empty, e.g. a variable that does not exist.
    pub unresolved: Vec<String>,
    /// The variables that hold the user's own secrets.
    pub variables: Vec<String>,
}

/// A plan and what to tell about it.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What the user should know.
    pub notices: Vec<String>,
    /// What is allowed and has its dangers.
    pub cautions: Vec<String>,
    /// What the user should look at.
    pub warnings: Vec<String>,
}

/// Makes the plan; `material` is `None` for `command: push`.
pub fn plan(mut inputs: Inputs, material: Option<Material>, tagging: Tagging) -> anyhow::Result<Planned> {
    let mut cautions = Vec::new();
    let (mut notices, mut warnings) = (inputs.notices, inputs.warnings);
    warnings.extend(RegistryConnection::warnings(&inputs.registries));
    warnings.extend(tagging.warnings);
    if tagging.tags.is_empty() && inputs.repository.is_some() {
        if inputs.command != Command::Build {
            return Err(hinted(
                "no rule in `tags` gives a tag for this run",
                "add one that always does, e.g. the line `type=sha`",
            ));
        }
        notices.push("no rule in `tags` gives a tag for this run: the image gets no name".to_owned());
    }
    let build = match material {
        None => None,
        Some(material) => {
            check_unresolved(&material, &inputs.renamed)?;
            let choice = choice::choose(&Wishes {
                mounts: &material.mounts,
                own: &material.own,
                renamed: &inputs.renamed,
                sources: inputs.sources.count(),
                only_extra: inputs.sources.only_extra,
                missing: inputs.missing_secrets,
            })?;
            let builds = inputs.options.call.is_none();
            if builds && choice.entries.is_empty() && inputs.sources.count() > 0 {
                notices.push(
                    "`artifactFeeds` is not used: no mounted secret is left for a feed to provide".to_owned(),
                );
            }
            let replaced = choice.entries.iter().filter(|(id, _)| material.unresolved.contains(id));
            notices.extend(replaced.map(|(id, _)| {
                format!(
                    "`--secret id={id}` in `arguments` has no value of its own; the feeds provide this secret"
                )
            }));
            notices.extend(choice.notices);
            cautions = choice.cautions;
            warnings.extend(choice.warnings);
            if material.source_date_epoch.is_some() {
                inputs.options.outputs.rewrite_timestamps();
                let text = "the labels of `addPipelineData` that differ from run to run are left out: `sourceDateEpoch` \
                            asks for the same image in every run of a commit";
                notices.extend(inputs.labels.pipeline_data.then(|| text.to_owned()));
            }
            Some(BuildPlan {
                context: material.context,
                dockerfile: material.dockerfile,
                text: material.text,
                sources: inputs.sources,
                entries: choice.entries,
                order: choice.order,
                own: material.own,
                build_record: inputs.build_record,
                labels: material.labels,
                base: material.base,
                labels_base: inputs.labels.base_image_data,
                options: inputs.options,
                source_date_epoch: material.source_date_epoch,
                variables: material.variables,
            })
        }
    };
    let plan = Plan {
        command: inputs.command,
        build,
        repository: inputs.repository,
        tags: tagging.tags,
        registries: inputs.registries,
        policy: inputs.policy,
        allow_insecure_builder: inputs.allow_insecure_builder,
    };
    Ok(Planned { plan, notices, cautions, warnings })
}

/// A `--secret` whose source is empty is ours to provide if its id is in the catalogue; buildx would mount nothing.
fn check_unresolved(material: &Material, renamed: &BTreeMap<String, Asked>) -> anyhow::Result<()> {
    match material.unresolved.iter().find(|id| !renamed.contains_key(*id) && Asked::by(id).is_none()) {
        None => Ok(()),
        Some(id) => Err(hinted(
            format!(
                "input `arguments`: `--secret id={id}` has no value: its variable or file is not there or empty"
            ),
            format!("map the variable into the step by `env:`, or use `secretEnvs: {id}=VARIABLE`"),
        )),
    }
}
