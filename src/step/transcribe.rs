//! Keeps what is said during a build or a push in a file for later steps.

use super::Step;
use crate::private;
use crate::report::summary::Report;
use crate::report::transcript::Transcript;

impl Step<'_> {
    /// Runs `act` and keeps the lines that it shows in the file of `command`. Without a file it runs all the same.
    pub(super) async fn transcribed<T>(
        &self,
        command: &str,
        act: impl Future<Output = T>,
        report: &mut Report,
    ) -> T {
        let opened = Transcript::create(&private::temp_folder(self.env), command)
            .map(|transcript| self.console.transcribe(Some(transcript)));
        let result = act.await;
        let closed = opened.and_then(|_| self.console.transcribe(None).map(Transcript::finish).transpose());
        match closed {
            Ok(file) => report.transcripts.extend(file),
            Err(error) => self.console.line(&format!("the output of the {command} is not kept: {error}")),
        }
        result
    }
}
