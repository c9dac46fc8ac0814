//! Looks for credentials that the build would put into the image or its records, before anything is sent anywhere.

use std::path::Path;

use super::Step;
use crate::agent::inputs::{Command, Inputs};
use crate::buildx::context::is_remote;
use crate::buildx::docker::Docker;
use crate::buildx::failure;
use crate::dockerfile::{self, ContextCopy};
use crate::error::hinted;
use crate::plan::{BuildPlan, Plan};
use crate::preflight::context::search;
use crate::preflight::{arguments, names};
use crate::process::environment::is_for_tasks;
use crate::report::summary::Report;
use crate::secret::user::UserSecret;

/// How many files with credentials are told.
const TOLD: usize = 5;

impl Step<'_> {
    /// Refuses a build that would be told a secret in plain sight; returns what to warn of.
    pub(super) fn check_arguments(&self, inputs: &Inputs, docker: &Docker) -> anyhow::Result<Vec<String>> {
        if inputs.command == Command::Push {
            return Ok(Vec::new());
        }
        let (options, build_args) = (&inputs.options, self.build_args(&inputs.options.build_args));
        let leaks = |value: &str| self.console.redactor().leaks(value.as_bytes());
        if let Some(name) = arguments::bare(options).find(|name| is_for_tasks(name)) {
            return Err(hinted(
                format!(
                    "build argument `{name}` asks for a variable that the agent lays for tasks only, so docker does not get it"
                ),
                "write the value, as in `NAME=VALUE`; give a secret by `secrets` or `secretEnvs` and mount it in the \
                 Dockerfile (`RUN --mount=type=secret,id=ID`)",
            ));
        }
        let mut of_secrets =
            inputs.secrets.iter().chain(&inputs.secret_flags).flat_map(UserSecret::variables);
        if let Some(name) = of_secrets.find(|name| arguments::bare(options).any(|bare| bare == *name)) {
            return Err(failure::exposed(&format!("build argument `{name}`")));
        }
        if let Some(what) = arguments::exposed(options, &build_args, leaks) {
            return Err(failure::exposed(&what));
        }
        let mut warnings = arguments::suspicious(options, &build_args, &self.console.known());
        let config = docker.config_folder().display();
        let proxies = docker.proxy_passwords();
        let from_config = (!proxies.is_empty()).then(|| {
            format!(
                "the docker config in `{config}` has a proxy with a password: docker gives it to every build as a build \
                 argument"
            )
        });
        let from_user = arguments::proxy_with_password(&build_args)
            .map(|name| format!("build argument `{name}` is a proxy with a password"));
        for what in from_config.into_iter().chain(from_user) {
            if options.attestations.publish_build_args() {
                return Err(hinted(
                    format!("{what}, and provenance of mode `max` would publish it"),
                    "write `provenance: mode=min`, or give the proxy no password",
                ));
            }
            warnings.push(format!("{what}, and BuildKit records it"));
        }
        for password in &proxies {
            self.console
                .know(&format!("the password of a proxy in the docker config in `{config}`"), password);
        }
        Ok(warnings)
    }

    /// Warns of credentials in what the Dockerfile copies and declares.
    pub(super) fn preflight(&self, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
        let Some(build) = plan.build.as_ref().filter(|build| build.options.call.is_none()) else {
            return Ok(());
        };
        let build_args = self.build_args(&build.options.build_args);
        let target = build.options.target.as_deref();
        let fed: Vec<&str> = build.entries.iter().map(|(id, _)| id.as_str()).collect();
        let fed: Vec<&str> = fed.into_iter().chain(build.own.iter().map(|own| own.id.as_str())).collect();
        let declarations = dockerfile::declarations(&build.text, target, &build_args)?;
        let is_silenced = dockerfile::skips_check(&build.text, &build_args, names::CHECK);
        let mut told = if is_silenced { Vec::new() } else { names::warnings(&declarations, &fed) };
        let copies = dockerfile::context_copies(&build.text, target, &build_args)?;
        told.extend(self.copied_credentials(build, &copies));
        for (line, text) in told {
            self.console.warning_at(&build.dockerfile, line, &text);
            report.notices.push(text);
        }
        Ok(())
    }

    /// Warnings of credentials in files that are copied, each with the line of the instruction.
    fn copied_credentials(&self, build: &BuildPlan, copies: &[ContextCopy]) -> Vec<(usize, String)> {
        let of_dockerfile = format!("{}.dockerignore", build.dockerfile.display());
        let named = build.options.build_contexts.iter().filter_map(|pair| pair.split_once('='));
        let contexts = named.map(|(name, path)| (Some(name), path)).chain([(None, build.context.as_str())]);
        let holds_secret = |text: &[u8]| self.console.redactor().leaks(text);
        let mut found = Vec::new();
        for (name, folder) in contexts.filter(|(_, folder)| !is_remote(folder)) {
            let is_from = |copy: &&ContextCopy| match (&copy.context, name) {
                (None, None) => true,
                (Some(from), Some(name)) => from.eq_ignore_ascii_case(name),
                _ => false,
            };
            let copies: Vec<&ContextCopy> = copies.iter().filter(is_from).collect();
            if copies.is_empty() {
                continue;
            }
            let root = Path::new(folder);
            let of_context = root.join(".dockerignore");
            // The Dockerfile's own ignore file is for the build context alone.
            let ignore_files = [Path::new(&of_dockerfile), &of_context];
            let ignore_files = if name.is_none() { &ignore_files[..] } else { &ignore_files[1..] };
            let result = search(root, ignore_files, &copies, holds_secret);
            if !result.is_complete {
                self.console.notice(&format!(
                    "`{folder}` has more files than were looked through for credentials; list in `.dockerignore` what the \
                     image does not need"
                ));
            }
            found.extend(result.found);
        }
        let rest = found.len().saturating_sub(TOLD);
        let mut warnings: Vec<(usize, String)> =
            found.iter().take(TOLD).map(|found| (found.copy.line, found.warning())).collect();
        if let (Some((_, text)), 1..) = (warnings.last_mut(), rest) {
            *text = format!("{text}; so do {rest} more files");
        }
        warnings
    }
}
