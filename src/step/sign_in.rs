//! Opens the feeds, reaches the engine, tries the login of the registry and looks at the base image.

use std::time::{Duration, Instant};

use super::Step;
use crate::acquire::{Acquired, Acquirer};
use crate::agent::endpoint::SystemConnection;
use crate::agent::inputs::Command;
use crate::buildx::builder::Driver;
use crate::buildx::docker::Docker;
use crate::buildx::engine::Engine;
use crate::buildx::limits;
use crate::buildx::options::BuildOptions;
use crate::buildx::transport::Ssh;
use crate::http::Client;
use crate::plan::Plan;
use crate::process::environment::ChildEnv;
use crate::registry::logins::{Fetcher, Logins};
use crate::report::summary::Report;

/// How long one request may take, unless the agent's own knob for its requests (`VSTS_HTTP_TIMEOUT`) says otherwise.
const REQUEST_TIMEOUT: u64 = 100;

impl Step<'_> {
    /// Looks up the feeds, reaches the engine, tries the registry's login and finds the labels of the base image, side by
    /// side.
    pub(super) async fn sign_in(
        &self,
        plan: &Plan,
        docker: &Docker,
        source: Option<&Acquirer<'_>>,
        logins: &Logins<'_>,
        report: &mut Report,
    ) -> anyhow::Result<(Acquired, Option<Engine>, Vec<String>)> {
        let started = Instant::now();
        let engine = async {
            docker.builder.knock().await?;
            let engine = self.engine(plan, docker).await?;
            let builds = engine.as_ref().filter(|_| docker.builder.driver == Driver::Docker);
            if let Some(build) = &plan.build {
                check_store(&build.options, builds).await?;
                logins.refresh().await?;
            }
            let login = async {
                match plan.destination().filter(|_| plan.command != Command::Build) {
                    Some(destination) => {
                        destination.check_login(builds, logins, &self.network, self.console).await
                    }
                    None => Ok(()),
                }
            };
            let labels = async { Ok(self.base_labels(plan, builds, logins).await) };
            let ((), labels) = tokio::try_join!(login, labels)?;
            Ok((engine, labels))
        };
        let secrets = async {
            match source {
                Some(source) => source.acquire().await,
                None => Ok(Acquired::default()),
            }
        };
        // On the heap: it would make every future above it large.
        let both = Box::pin(async { tokio::try_join!(secrets, engine) });
        let (acquired, (engine, labels)) = self.cancel.unless(both).await?;
        if let (Some(source), [_, ..]) = (source, &acquired.tokens[..]) {
            report.feeds = source.sources.names();
            self.console.line(&format!("Feeds are opened by: {}", acquired.tokens.join(", ")));
        }
        report.tokens.clone_from(&acquired.tokens);
        let own = plan.build.iter().flat_map(|build| &build.own);
        report.secrets = acquired.secrets.iter().chain(own).map(|secret| secret.id.clone()).collect();
        report.stages.push(("Sign in", started.elapsed()));
        Ok((acquired, engine, labels))
    }

    /// Reaches the engine, if it builds, pushes or is to get the image: other builders need none on the agent.
    async fn engine(&self, plan: &Plan, docker: &Docker) -> anyhow::Result<Option<Engine>> {
        let loads = plan.build.as_ref().is_none_or(|build| build.options.load);
        if docker.builder.driver != Driver::Docker && !loads {
            return Ok(None);
        }
        let env = ChildEnv::new(self.env, &self.console.redactor(), &[], &[]).variables;
        let ssh = Ssh { env: &env, folder: self.folder.path() };
        Engine::connect(&docker.target, ssh).await.map(Some)
    }

    /// Who acquires the secrets of the catalogue, if the build mounts any.
    pub(super) fn acquirer<'p>(&'p self, plan: &'p Plan) -> anyhow::Result<Option<Acquirer<'p>>> {
        let Some(build) = plan.build.as_ref().filter(|build| !build.entries.is_empty()) else {
            return Ok(None);
        };
        let system = SystemConnection::from_env(self.env)?;
        let secure = system.collection.scheme() == "https" || !build.sources.locations.is_empty();
        let client = Client::new(&self.network, secure, &[], self.timeout())?;
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

    /// Who fetches and keeps the logins of registries.
    pub(super) fn logins<'p>(&'p self, plan: &'p Plan, docker: &Docker) -> Logins<'p> {
        let fetcher =
            Fetcher { env: self.env, network: &self.network, console: self.console, timeout: self.timeout() };
        Logins::new(fetcher, &plan.registries, docker.logins(self.env))
    }

    fn timeout(&self) -> Duration {
        let seconds = self.env.get("VSTS_HTTP_TIMEOUT").and_then(|text| text.parse().ok());
        Duration::from_secs(seconds.unwrap_or(REQUEST_TIMEOUT))
    }
}

/// Stops what the image store of the engine that builds cannot do. It is asked only if it matters.
async fn check_store(options: &BuildOptions, engine: Option<&Engine>) -> anyhow::Result<()> {
    let (Some(what), Some(engine)) = (limits::beyond_classic_store(options), engine) else { return Ok(()) };
    if engine.has_classic_store().await? {
        return Err(limits::classic_store(what));
    }
    Ok(())
}
