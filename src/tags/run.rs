//! What the rules ask about a run of a pipeline.
//!
//! What maps to what, on the left the context of docker/metadata-action:
//! - `ref`: `Build.SourceBranch`, for a pull request `refs/pull/N/merge` on both sides.
//! - `sha`: `Build.SourceVersion`, for a pull request the merge commit on both sides, and
//!   `System.PullRequest.SourceCommitId` with `DOCKER_METADATA_PR_HEAD_SHA: true`.
//! - `eventName` `schedule`: `Build.Reason` `Schedule`.
//! - `base_ref`: `System.PullRequest.TargetBranch`, with `refs/heads/` for Azure Repos, without for GitHub.
//! - `repository.default_branch`: the input `defaultBranch`. No variable and no file of the agent tells it.
//! - the commit's date: that of `sourceDateEpoch`, else now, as there where it is not known.

use anyhow::Context as _;
use jiff::Timestamp;
use url::Url;

use super::expression::Expression;
use crate::agent::env::Env;
use crate::error::{hint_context, hinted};

/// The length of an abbreviated commit id, unless `DOCKER_METADATA_SHORT_SHA_LENGTH` says otherwise.
const SHORT_SHA: usize = 7;

/// A run of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    source: Source,
    /// Empty where there is none.
    commit: String,
    short_sha: usize,
    scheduled: bool,
    /// The target branch of a pull request.
    base: Option<String>,
    default_branch: Option<String>,
    now: Timestamp,
    committed: Option<Timestamp>,
    /// The repository's name without what it lies in.
    repository: Option<String>,
    /// The repository's page.
    page: Option<String>,
}

/// What the run builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Branch(String),
    Tag(String),
    /// Its number.
    PullRequest(String),
    /// Something that is no Git, or nothing.
    Other,
}

impl Source {
    fn parse(reference: &str) -> Self {
        if let Some(branch) = reference.strip_prefix("refs/heads/") {
            Self::Branch(branch.to_owned())
        } else if let Some(tag) = reference.strip_prefix("refs/tags/") {
            Self::Tag(tag.to_owned())
        } else if let Some(number) = reference.strip_prefix("refs/pull/") {
            Self::PullRequest(number.strip_suffix("/merge").unwrap_or(number).to_owned())
        } else {
            Self::Other
        }
    }
}

impl Run {
    /// The run of this job at this time.
    pub fn from_env(env: &Env, default_branch: Option<&str>, now: Timestamp) -> anyhow::Result<Self> {
        let text = |name| env.variable(name).unwrap_or_default();
        let head = text("DOCKER_METADATA_PR_HEAD_SHA").eq_ignore_ascii_case("true");
        let head = env.variable("System.PullRequest.SourceCommitId").filter(|_| head);
        let short_sha = match env.variable("DOCKER_METADATA_SHORT_SHA_LENGTH") {
            None => SHORT_SHA,
            Some(length) => length.parse().with_context(|| {
                hint_context(
                    format!("variable `DOCKER_METADATA_SHORT_SHA_LENGTH` is `{length}`"),
                    "set it to a number, e.g. `DOCKER_METADATA_SHORT_SHA_LENGTH: 12`",
                )
            })?,
        };
        let branch = |name: &str| name.strip_prefix("refs/heads/").unwrap_or(name).to_owned();
        Ok(Self {
            source: Source::parse(text("Build.SourceBranch")),
            commit: head.unwrap_or(text("Build.SourceVersion")).to_owned(),
            short_sha,
            scheduled: text("Build.Reason").eq_ignore_ascii_case("Schedule"),
            base: env.variable("System.PullRequest.TargetBranch").map(branch),
            default_branch: default_branch.map(branch),
            now,
            committed: None,
            repository: env
                .variable("Build.Repository.Name")
                .and_then(|name| name.rsplit('/').next())
                .map(str::to_owned),
            page: env.variable("Build.Repository.Uri").map(without_user),
        })
    }

    /// The run with the time of its commit.
    #[must_use]
    pub fn committed_at(self, time: Timestamp) -> Self {
        Self { committed: Some(time), ..self }
    }

    pub(super) fn repository(&self) -> Option<&str> {
        self.repository.as_deref()
    }

    pub(super) fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn is_scheduled(&self) -> bool {
        self.scheduled
    }

    pub(super) fn commit(&self) -> &str {
        &self.commit
    }

    pub(super) fn short_commit(&self) -> &str {
        self.commit.get(..self.short_sha).unwrap_or(&self.commit)
    }

    pub(super) fn default_branch(&self) -> anyhow::Result<&str> {
        self.default_branch.as_deref().ok_or_else(|| {
            hinted(
                "the default branch is not known: Azure Pipelines tells it to no task",
                "name it by the input `defaultBranch`, e.g. `defaultBranch: main`",
            )
        })
    }

    fn is_default_branch(&self) -> anyhow::Result<bool> {
        let default = self.default_branch()?;
        Ok(matches!(&self.source, Source::Branch(branch) if branch == default))
    }

    /// The value of an expression of the run's scope. As in docker/metadata-action, the base is empty for a branch, and
    /// the commit's date is today where it is not known.
    pub(super) fn value(&self, expression: &Expression) -> anyhow::Result<String> {
        Ok(match (expression, &self.source) {
            (Expression::Branch, Source::Branch(name)) | (Expression::Tag, Source::Tag(name)) => name.clone(),
            (Expression::Sha, _) => self.short_commit().to_owned(),
            (Expression::BaseRef, Source::PullRequest(_)) => self.base.clone().unwrap_or_default(),
            (Expression::IsDefaultBranch, _) => self.is_default_branch()?.to_string(),
            (Expression::IsNotDefaultBranch, _) => (!self.is_default_branch()?).to_string(),
            (Expression::Date(format), _) => format.of(self.now),
            (Expression::CommitDate(format), _) => format.of(self.committed.unwrap_or(self.now)),
            _ => String::new(),
        })
    }
}

/// A URL without its user: Azure Repos puts the organization there, and others a token.
fn without_user(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            // Both fail for URLs that cannot have a user, and those have none.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.into()
        }
        _ => text.to_owned(),
    }
}
