//! The stages of the step, in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::acquire::{Acquired, Acquirer};
use crate::agent::endpoint::SystemConnection;
use crate::agent::env::Env;
use crate::agent::inputs::{Command, Inputs};
use crate::agent::logging::{LoggingCommand, TaskResult};
use crate::agent::network::Network;
use crate::buildx::build::{self, Built, Supply, Workshop};
use crate::buildx::context;
use crate::buildx::docker::Docker;
use crate::buildx::engine::Engine;
use crate::cancel::{Cancel, Cancelled};
use crate::console::Console;
use crate::credential::USERNAME;
use crate::dockerfile;
use crate::error::{self, hinted};
use crate::feed::doctor;
use crate::http::Client;
use crate::plan::{self, BuildPlan, Material, Plan};
use crate::private::{self, PrivateFolder};
use crate::report::summary::Report;
use crate::secret::user::UserSecret;

/// How long one request may take, unless the agent's own knob for its requests (`VSTS_HTTP_TIMEOUT`) says otherwise.
const REQUEST_TIMEOUT: u64 = 100;

/// Runs the main stage. Every way out of it says `task.complete`.
pub async fn main_stage(env: &Env, cancel: &Cancel) -> TaskResult {
    let console = Arc::new(Console::default());
    let mut report = Report::default();
    let result = match Box::pin(run(env, &console, cancel, &mut report)).await {
        Ok(()) => TaskResult::Succeeded,
        Err(error) if is_cancelled(&error) => {
            console.line("The run was cancelled; what was running was stopped.");
            TaskResult::Canceled
        }
        Err(error) => {
            let text = error::render(&error);
            console.error(&text);
            report.error = Some(text);
            TaskResult::Failed
        }
    };
    if result != TaskResult::Canceled
        && let Err(error) = upload_summary(env, &console, &report)
    {
        console.warning(&error::render(&error.context("there is no summary of this step")));
    }
    console.command(LoggingCommand::Complete(result));
    result
}

/// Removes what killed runs of this job left. Does nothing if there is nothing, e.g. when the main stage never ran.
pub fn post_job(env: &Env) {
    let console = Console::default();
    match private::sweep(env) {
        Ok(0) => {}
        Ok(removed) => console.line(&format!("Removed what {removed} interrupted run(s) left")),
        Err(error) => console.warning(&error::render(&error)),
    }
}

async fn run(env: &Env, console: &Arc<Console>, cancel: &Cancel, report: &mut Report) -> anyhow::Result<()> {
    let step = Step::open(env, console, cancel)?;
    let inputs = step.inputs()?;
    let docker = Docker::find(env)?;
    let plan = step.plan(inputs, &docker, report)?;
    let acquirer = step.acquirer(&plan)?;
    let (secrets, engine) = step.sign_in(&plan, &docker, acquirer.as_ref(), report).await?;
    let supply = Supply { first: &secrets, source: acquirer.as_ref() };
    let built = step.build(&plan, &docker, &engine, supply, report).await?;
    step.publish(&plan, &engine, &built, report).await?;
    step.tell(report);
    Ok(())
}

fn is_cancelled(error: &anyhow::Error) -> bool {
    error.chain().any(<dyn std::error::Error>::is::<Cancelled>)
}

/// What every stage needs.
struct Step<'a> {
    env: &'a Env,
    console: &'a Arc<Console>,
    cancel: &'a Cancel,
    network: Network,
    folder: PrivateFolder,
}

impl<'a> Step<'a> {
    /// Masks what the agent gave us before anything else is looked at.
    fn open(env: &'a Env, console: &'a Arc<Console>, cancel: &'a Cancel) -> anyhow::Result<Self> {
        if let Ok(system) = SystemConnection::from_env(env) {
            console.mask(&system.token, &[USERNAME, "vsts"]);
        }
        let network = Network::from_env(env)?;
        if let Some(password) = network.proxy_password() {
            console.mask(password, &[]);
        }
        Ok(Self { env, console, cancel, network, folder: PrivateFolder::create(env)? })
    }

    fn inputs(&self) -> anyhow::Result<Inputs> {
        let root = std::env::current_dir().context("the working directory is gone")?;
        let inputs = Inputs::parse(self.env, root)?;
        if let Some(registry) = &inputs.registry {
            self.console.mask(&registry.password, &[&registry.username]);
        }
        Ok(inputs)
    }

    /// Reads what the plan depends on, makes it, and tells what there is to tell about it.
    fn plan(&self, inputs: Inputs, docker: &Docker, report: &mut Report) -> anyhow::Result<Plan> {
        let material = (inputs.command != Command::Push).then(|| self.material(&inputs)).transpose()?;
        let mut planned = plan::plan(inputs, material)?;
        planned.warnings.extend(docker.warnings());
        planned.warnings.iter().for_each(|text| self.console.warning(text));
        planned.cautions.iter().for_each(|text| self.console.caution(text));
        planned.notices.iter().for_each(|text| self.console.notice(text));
        report.notices.extend(planned.warnings);
        report.notices.extend(planned.notices);
        if planned.plan.build.as_ref().is_some_and(BuildPlan::has_secrets) {
            docker.target.check_confidential(planned.plan.allow_insecure_builder)?;
        }
        Ok(planned.plan)
    }

    fn material(&self, inputs: &Inputs) -> anyhow::Result<Material> {
        let dockerfile = dockerfile::locate(&inputs.dockerfile, &inputs.root)?;
        let text = std::fs::read_to_string(&dockerfile)
            .with_context(|| format!("cannot read the Dockerfile `{}`", dockerfile.display()))?;
        let context = context::resolve(inputs.context.as_deref(), &dockerfile, &inputs.root)?;
        let build_args = self.build_args(&inputs.build_args);
        let mounts = dockerfile::secret_mounts(&text, inputs.target.as_deref(), &build_args)?;
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
            self.console.mask_bytes(&secret.value);
        }
        if let Some((name, _)) =
            build_args.iter().find(|(_, value)| self.console.redactor().leaks(value.as_bytes()))
        {
            return Err(build::exposed(&format!("build argument `{name}`")));
        }
        let named = inputs.secrets.iter().chain(&inputs.secret_flags);
        let variables = named.filter_map(UserSecret::variable).map(str::to_owned).collect();
        Ok(Material { dockerfile, context, mounts, own, unresolved, variables })
    }

    /// Build arguments by name; one without a value has that of the environment, as for docker.
    fn build_args(&self, args: &[String]) -> BTreeMap<String, String> {
        let value = |arg: &str| match arg.split_once('=') {
            Some((name, value)) => Some((name.to_owned(), value.to_owned())),
            None => Some((arg.to_owned(), self.env.get(arg)?.to_owned())),
        };
        args.iter().filter_map(|arg| value(arg)).collect()
    }

    /// Looks up the feeds, reaches the engine and tries the registry's login, side by side.
    async fn sign_in(
        &self,
        plan: &Plan,
        docker: &Docker,
        source: Option<&Acquirer<'_>>,
        report: &mut Report,
    ) -> anyhow::Result<(Acquired, Engine)> {
        let started = Instant::now();
        let engine = async {
            let engine = Engine::connect(&docker.target).await?;
            if let Some(destination) = plan.destination().filter(|_| plan.command != Command::Build) {
                destination.check_login(&engine).await?;
            }
            Ok(engine)
        };
        let secrets = async {
            match source {
                Some(source) => source.acquire().await,
                None => Ok(Acquired::default()),
            }
        };
        // On the heap: it would make every future above it large.
        let both = Box::pin(async { tokio::try_join!(secrets, engine) });
        let (acquired, engine) = self.cancel.unless(both).await?;
        if let (Some(source), [_, ..]) = (source, &acquired.tokens[..]) {
            report.feeds = source.sources.names();
            self.console.line(&format!("Feeds are opened by: {}", acquired.tokens.join(", ")));
        }
        report.tokens.clone_from(&acquired.tokens);
        let own = plan.build.iter().flat_map(|build| &build.own);
        report.secrets = acquired.secrets.iter().chain(own).map(|secret| secret.id.clone()).collect();
        report.stages.push(("Sign in", started.elapsed()));
        Ok((acquired, engine))
    }

    /// Who acquires the secrets of the catalogue, if the build mounts any.
    fn acquirer<'p>(&'p self, plan: &'p Plan) -> anyhow::Result<Option<Acquirer<'p>>> {
        let Some(build) = plan.build.as_ref().filter(|build| !build.entries.is_empty()) else {
            return Ok(None);
        };
        let system = SystemConnection::from_env(self.env)?;
        let timeout =
            self.env.get("VSTS_HTTP_TIMEOUT").and_then(|text| text.parse().ok()).unwrap_or(REQUEST_TIMEOUT);
        let secure = system.collection.scheme() == "https" || !build.sources.locations.is_empty();
        let client = Client::new(&self.network, secure, &[], Duration::from_secs(timeout))?;
        Ok(Some(Acquirer {
            env: self.env,
            console: self.console,
            client,
            system,
            sources: &build.sources,
            entries: &build.entries,
            order: build.order,
        }))
    }

    /// Builds; for `command: push`, finds what an earlier step built.
    async fn build(
        &self,
        plan: &Plan,
        docker: &Docker,
        engine: &Engine,
        supply: Supply<'_>,
        report: &mut Report,
    ) -> anyhow::Result<Built> {
        let started = Instant::now();
        let Some(wanted) = &plan.build else { return self.cancel.unless(find(plan, engine)).await };
        self.console.section(&format!("Building {}", wanted.dockerfile.display()));
        let session = docker.open_session(
            self.env,
            plan.login.as_ref(),
            &wanted.variables,
            &self.folder,
            self.console,
        )?;
        let workshop = Workshop {
            engine,
            client: &docker.client,
            builder: &docker.target.context,
            session: &session,
            folder: &self.folder,
        };
        self.console.group("Build");
        let built = workshop.build(wanted, supply, self.console, self.cancel).await;
        self.console.end_group();
        if let Err(error) = &built
            && !is_cancelled(error)
        {
            self.examine(supply, report).await?;
        }
        let built = built?;
        report.stages.push(("Build", started.elapsed()));
        Ok(built)
    }

    /// Warns of feeds that are closed to what the build had, after it failed.
    async fn examine(&self, supply: Supply<'_>, report: &mut Report) -> anyhow::Result<()> {
        let Some(source) = supply.source else { return Ok(()) };
        let examined = async { Ok(doctor::examine(&source.client, &supply.first.origins).await) };
        for error in self.cancel.unless(examined).await? {
            let text = error::render(&error);
            self.console.warning(&text);
            report.notices.push(text);
        }
        Ok(())
    }

    /// Tags what was built and, unless the command is `build`, pushes it.
    async fn publish(
        &self,
        plan: &Plan,
        engine: &Engine,
        built: &Built,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        report.digest.clone_from(&built.image.manifest);
        report.image_id.clone_from(&built.config);
        let Some(destination) = plan.destination() else { return Ok(()) };
        let started = Instant::now();
        self.cancel.unless(destination.tag(engine, &built.image)).await?;
        report.references = destination.references();
        if plan.command == Command::Build {
            return Ok(());
        }
        let push = destination.push(engine, &built.image, &self.network, self.console);
        let manifest = self.cancel.unless(push).await?;
        (report.digest, report.image_id, report.pushed) = (Some(manifest.digest), manifest.config, true);
        report.stages.push(("Push", started.elapsed()));
        Ok(())
    }

    /// Sets the output variables.
    fn tell(&self, report: &Report) {
        let references = report.references.join(",");
        let outputs = [
            ("imageDigest", report.digest.as_deref()),
            ("imageId", report.image_id.as_deref()),
            ("imageReferences", Some(references.as_str()).filter(|text| !text.is_empty())),
        ];
        for (name, value) in outputs {
            if let Some(value) = value {
                self.console.line(&format!("{name}: {value}"));
                self.console.command(LoggingCommand::SetOutput(name, value));
            }
        }
    }
}

/// The image that an earlier step built under the first of the references.
async fn find(plan: &Plan, engine: &Engine) -> anyhow::Result<Built> {
    let destination = plan.destination().context("there is nothing to push")?;
    let references = destination.references();
    let reference = references.first().context("there is no tag to push")?;
    let image = engine.image(reference).await?.ok_or_else(|| {
        hinted(
            format!("the engine has no image `{reference}` to push"),
            "build it before on the same agent, by `command: build` with the same `containerRegistry`, `repository` and \
             `tags`, or use `command: buildAndPush`",
        )
    })?;
    Ok(Built { config: image.manifest.is_none().then(|| image.id.clone()), image })
}

/// Writes the summary into the agent's temp folder, where it has to stay: the agent uploads it later and empties that
/// folder itself.
fn upload_summary(env: &Env, console: &Console, report: &Report) -> anyhow::Result<()> {
    let name = format!("DockerBuildWithFeeds-{}-{:08x}.md", std::process::id(), fastrand::u32(..));
    let path = private::temp_folder(env).join(name);
    std::fs::write(&path, console.redact(&report.markdown()))
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    console.command(LoggingCommand::UploadSummary(&path.display().to_string()));
    Ok(())
}
