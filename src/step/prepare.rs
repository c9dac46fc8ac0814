//! What comes before the first request: the inputs, what is read from disk, and the plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;

use super::Step;
use crate::agent::endpoint::SystemConnection;
use crate::agent::env::Env;
use crate::agent::inputs::{Command, Inputs};
use crate::agent::network::Network;
use crate::agent::pipeline_labels::pipeline_labels;
use crate::agent::secrets;
use crate::buildx::builder::Driver;
use crate::buildx::client::Client;
use crate::buildx::docker::Docker;
use crate::buildx::options::SourceDateEpoch;
use crate::buildx::{context, limits, variables};
use crate::cancel::Cancel;
use crate::commit;
use crate::console::Console;
use crate::credential::USERNAME;
use crate::dockerfile;
use crate::plan::{self, Material, Plan};
use crate::private::PrivateFolder;
use crate::process::environment::ChildEnv;
use crate::report::summary::Report;
use crate::secret::user::UserSecret;

impl<'a> Step<'a> {
    /// Masks what the agent gave us before anything else is looked at.
    pub(super) fn open(env: &'a Env, console: &'a Arc<Console>, cancel: &'a Cancel) -> anyhow::Result<Self> {
        if let Ok(system) = SystemConnection::from_env(env) {
            console.mask("the job access token", &system.token, &[USERNAME, "vsts"]);
        }
        let network = Network::from_env(env)?;
        if let Some(password) = network.proxy_password() {
            console.mask("the proxy's password", password, &[]);
        }
        for (name, secret) in secrets::job_secrets(env) {
            console.know(&name, &secret);
        }
        Ok(Self { env, console, cancel, network, folder: PrivateFolder::create(env)? })
    }

    pub(super) fn inputs(&self) -> anyhow::Result<Inputs> {
        let root = std::env::current_dir().context("the working directory is gone")?;
        Inputs::parse(self.env, root)
    }

    /// Reads what the plan depends on, makes it, and tells what there is to tell about it.
    pub(super) async fn plan(
        &self,
        mut inputs: Inputs,
        docker: &Docker,
        report: &mut Report,
    ) -> anyhow::Result<Plan> {
        let source_date_epoch = self.source_date_epoch(&inputs).await?;
        let tagging = self.tagging(&mut inputs, source_date_epoch)?;
        let material = (inputs.command != Command::Push)
            .then(|| self.material(&inputs, docker, source_date_epoch))
            .transpose()?;
        let exposed = self.check_arguments(&inputs, docker)?;
        let mut planned = plan::plan(inputs, material, tagging)?;
        planned.warnings.extend(exposed);
        planned.warnings.iter().for_each(|text| self.console.warning(text));
        planned.cautions.iter().for_each(|text| self.console.caution(text));
        planned.notices.iter().for_each(|text| self.console.notice(text));
        report.notices.extend(planned.warnings);
        report.notices.extend(planned.notices);
        if planned.plan.has_secrets() || self.names_a_secret(&planned.plan) {
            docker.builder.check_confidential(planned.plan.allow_insecure_builder)?;
        }
        Ok(planned.plan)
    }

    /// Whether inputs name a variable with a secret in it, e.g. that of a cache, which the client sends to the builder.
    fn names_a_secret(&self, plan: &Plan) -> bool {
        let named = plan.build.iter().flat_map(|build| variables::named(&build.options, self.env));
        let values: Vec<_> = named.filter_map(|named| self.env.get(&named.name)).collect();
        values.iter().any(|value| self.console.redactor().leaks(value.as_bytes()))
    }

    fn material(
        &self,
        inputs: &Inputs,
        docker: &Docker,
        source_date_epoch: Option<u64>,
    ) -> anyhow::Result<Material> {
        if let Client::Docker(_) = docker.client {
            limits::check_older_client(&inputs.options)?;
        }
        if docker.builder.driver != Driver::Docker {
            limits::check_load(&inputs.options)?;
        }
        limits::check_caches(&inputs.options, &inputs.policy)?;
        let dockerfile = dockerfile::locate(&inputs.dockerfile, &inputs.root)?;
        let text = std::fs::read_to_string(&dockerfile)
            .with_context(|| format!("cannot read the Dockerfile `{}`", dockerfile.display()))?;
        let context = context::resolve(inputs.context.as_deref(), &dockerfile, &inputs.root)?;
        let build_args = self.build_args(&inputs.options.build_args);
        let mut mounts = dockerfile::secret_mounts(&text, inputs.options.target.as_deref(), &build_args)?;
        let builds = inputs.options.call.is_none();
        let base = builds
            .then(|| dockerfile::base_image(&text, inputs.options.target.as_deref(), &build_args))
            .transpose()?
            .flatten();
        let (mut own, mut unresolved) = (Vec::new(), Vec::new());
        for secret in &inputs.secrets {
            own.push(secret.read(self.env, &inputs.root)?);
        }
        for flag in &inputs.secret_flags {
            match flag.find(self.env, &inputs.root)? {
                Some(secret) => own.push(secret),
                None => unresolved.push(flag.id.clone()),
            }
        }
        for secret in &own {
            self.console.mask_bytes(&format!("secret `{}`", secret.id), &secret.value);
        }
        // Those of a run would make another image of the same commit.
        let mut labels =
            pipeline_labels(self.env, inputs.labels.pipeline_data && source_date_epoch.is_none());
        labels.retain(|label| !self.console.redactor().leaks(label.as_bytes()));
        if !builds {
            // A call runs no instruction that could mount one.
            (mounts, own, unresolved) = (Vec::new(), Vec::new(), Vec::new());
        }
        let named = inputs.secrets.iter().chain(&inputs.secret_flags);
        let variables = named.flat_map(UserSecret::variables).collect();
        Ok(Material {
            dockerfile,
            text,
            context,
            labels,
            base,
            source_date_epoch,
            mounts,
            own,
            unresolved,
            variables,
        })
    }

    async fn source_date_epoch(&self, inputs: &Inputs) -> anyhow::Result<Option<u64>> {
        match inputs.options.source_date_epoch.filter(|_| inputs.command != Command::Push) {
            None => Ok(None),
            Some(SourceDateEpoch::Seconds(seconds)) => Ok(Some(seconds)),
            Some(SourceDateEpoch::Commit) => {
                let dockerfile = dockerfile::locate(&inputs.dockerfile, &inputs.root)?;
                let folder = dockerfile.parent().unwrap_or(&inputs.root);
                let dropped = ["GIT_DIR", "GIT_WORK_TREE"];
                let child = ChildEnv::new(self.env, &self.console.redactor(), &[], &dropped);
                commit::time(folder, self.env, child.variables, self.cancel).await.map(Some)
            }
        }
    }

    /// Build arguments by name; one without a value has that of the environment, as for docker.
    pub(super) fn build_args(&self, args: &[String]) -> BTreeMap<String, String> {
        let value = |arg: &str| match arg.split_once('=') {
            Some((name, value)) => Some((name.to_owned(), value.to_owned())),
            None => Some((arg.to_owned(), self.env.get(arg)?.to_owned())),
        };
        args.iter().filter_map(|arg| value(arg)).collect()
    }
}
