//! The tags of the run, and what the image says of itself.

use jiff::Timestamp;

use super::Step;
use crate::agent::inputs::Inputs;
use crate::tags::{Run, Tagging, oci};

impl Step<'_> {
    /// The tags. Labels and annotations of `ociLabels` and `ociAnnotations` go among those that the user gave.
    pub(super) fn tagging(
        &self,
        inputs: &mut Inputs,
        source_date_epoch: Option<u64>,
    ) -> anyhow::Result<Tagging> {
        let run = Run::from_env(self.env, inputs.default_branch.as_deref(), Timestamp::now())?;
        let seconds = source_date_epoch.and_then(|seconds| i64::try_from(seconds).ok());
        let created = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let run = match created {
            Some(time) => run.committed_at(time),
            None => run,
        };
        let tagging = inputs.tags.apply(&run)?;
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
