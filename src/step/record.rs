//! Records what was pushed with the service, for environments and traceability.

use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use url::Url;

use super::Step;
use crate::agent::endpoint::SystemConnection;
use crate::agent::logging::LoggingCommand;
use crate::agent::pipeline_labels::pipeline_labels;
use crate::buildx::build::Built;
use crate::buildx::image_details::HistoryEntry;
use crate::error;
use crate::feed::answer;
use crate::http::{self, Client};
use crate::plan::Plan;
use crate::registry::image_record::{ImageRecord, Source};
use crate::report::summary::Report;

/// How long the record may take: the image is pushed, and nobody waits for this.
const LIMIT: Duration = Duration::from_secs(20);

impl Step<'_> {
    /// Records the pushed image and names it in `RESOURCE_URIS`. The push is done, so what fails is a warning; only a
    /// cancel is an error.
    pub(super) async fn record(
        &self,
        plan: &Plan,
        built: &Built<'_>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let (Some(destination), Some(digest), true) = (plan.destination(), &report.digest, report.pushed)
        else {
            return Ok(());
        };
        // Outside of a pipeline there is nobody to tell.
        let (Ok(system), Some(project)) =
            (SystemConnection::from_env(self.env), self.env.variable("System.TeamProject"))
        else {
            return Ok(());
        };
        let earlier = pipeline_labels(self.env, true);
        let (history, layers) = self.cancel.unless(async { Ok(layers(built).await) }).await?;
        let record = ImageRecord {
            repository: destination.repository,
            digest,
            tags: &report.tags,
            source: plan.build.as_ref().map(|build| Source {
                dockerfile: &build.dockerfile,
                context: &build.context,
                base: build.base.as_ref().map(|base| base.name.as_str()),
            }),
            labels: plan.build.as_ref().map_or(&earlier, |build| &build.labels),
            history: &history,
            layers: &layers,
        };
        self.console.command(LoggingCommand::SetVariable("RESOURCE_URIS", &record.uri()));
        let body = record.body(self.env, &system.collection, project);
        let url = ImageRecord::address(&system.collection, project);
        let sent = async { Ok(tokio::time::timeout(LIMIT, self.send(&url, &system, &body)).await) };
        let sent = self.cancel.unless(sent).await?;
        let sent = sent.with_context(|| format!("no answer within {} s", LIMIT.as_secs())).flatten();
        if let Err(error) = sent {
            let error = error.context("the pushed image is not recorded for environments and traceability");
            let text = error::render(&error);
            self.console.warning(&text);
            report.notices.push(text);
        }
        Ok(())
    }

    async fn send(&self, url: &Url, system: &SystemConnection, body: &Value) -> anyhow::Result<()> {
        anyhow::ensure!(
            http::is_confidential(url),
            "`{}` is not reached by https, so the job access token is not sent there",
            http::authority(url)
        );
        // The history of a base image may hold anything.
        let body = self.console.redact(&body.to_string());
        let client = Client::new(&self.network, url.scheme() == "https", &[], LIMIT)?;
        let request = || {
            client
                .post(url.clone())
                .header("X-TFS-FedAuthRedirect", "Suppress")
                .header("Content-Type", "application/json")
                .bearer_auth(system.token.expose_secret())
                .body(body.clone())
        };
        answer::accept("the record of an image", url, &client.send(request).await?)
    }
}

/// The history and the layers, if an engine has the image: a record without them serves as well.
async fn layers(built: &Built<'_>) -> (Vec<HistoryEntry>, Vec<String>) {
    let Built::Stored { engine, image, .. } = built else { return Default::default() };
    let history = engine.history(&image.id).await.unwrap_or_default();
    let layers = engine.details(&image.id).await.map(|details| details.root_fs.layers).unwrap_or_default();
    (history, layers)
}
