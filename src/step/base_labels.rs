//! Finds the labels of the base image.

use super::Step;
use crate::buildx::engine::Engine;
use crate::error;
use crate::plan::Plan;
use crate::registry::base_digest::Lookup;
use crate::registry::logins::Logins;

impl Step<'_> {
    /// The labels of `addBaseImageData`, as `Docker@2` names them; `engine` is the one that builds. Whatever fails costs a label and nothing else.
    pub(super) async fn base_labels(
        &self,
        plan: &Plan,
        engine: Option<&Engine>,
        logins: &Logins<'_>,
    ) -> Vec<String> {
        let build = plan.build.as_ref().filter(|build| build.labels_base);
        let Some((build, base)) = build.and_then(|build| Some((build, build.base.as_ref()?))) else {
            return Vec::new();
        };
        // buildx lets the docker driver, and no other, take an image from the engine's store first.
        let engine = engine.filter(|_| !build.options.pull);
        let lookup = Lookup { engine, logins, network: &self.network };
        let digest = lookup.digest(base).await.unwrap_or_else(|error| {
            let error =
                error.context(format!("the image has no label `image.base.digest` of `{}`", base.name));
            self.console.line(&error::render(&error));
            None
        });
        let digest = digest.map(|digest| format!("image.base.digest={digest}"));
        std::iter::once(format!("image.base.ref.name={}", base.name)).chain(digest).collect()
    }
}
