//! The tags of the run, and what the image says of itself.

use jiff::Timestamp;

use super::Step;
use crate::agent::inputs::Inputs;
use crate::buildx::options::SourceDateEpoch;
use crate::tags::{Run, Tagging, oci};

impl Step<'_> {
    /// The tags. Labels and annotations of `ociLabels` and `ociAnnotations` go among those that the user gave.
    pub(super) fn tagging(&self, inputs: &mut Inputs) -> anyhow::Result<Tagging> {
        let run = Run::from_env(self.env, inputs.default_branch.as_deref(), Timestamp::now())?;
        let tagging = inputs.tags.apply(&run)?;
        let created = match inputs.options.source_date_epoch {
            Some(SourceDateEpoch::Seconds(seconds)) => i64::try_from(seconds).ok(),
            Some(SourceDateEpoch::Commit) | None => None,
        };
        let created = created.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let metadata = || oci::metadata(&run, tagging.tags.first(), created);
        if inputs.oci.labels {
            oci::add(&mut inputs.options.labels, metadata());
        }
        if inputs.oci.annotations {
            oci::add(&mut inputs.options.annotations, metadata());
        }
        Ok(tagging)
    }
}
