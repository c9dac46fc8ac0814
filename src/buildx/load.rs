//! Puts the archive of an image into an engine's store.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::Context as _;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::Method;
use serde::Deserialize;

use super::engine::{Engine, accepted, lost};

/// How much of an archive is read at once.
const CHUNK: usize = 256 << 10;

/// A line of the engine's answer.
#[derive(Deserialize)]
struct Line {
    error: Option<String>,
}

/// A file as the body of a request. Read in place: it was written a moment ago and is in memory.
struct FileBody {
    file: File,
    left: u64,
}

impl Engine {
    /// Loads an OCI archive that names nothing; in the containerd store the image keeps its digest.
    pub async fn load(&self, archive: &Path) -> anyhow::Result<()> {
        let file = File::open(archive).with_context(|| format!("cannot read `{}`", archive.display()))?;
        let left = file.metadata().context("cannot read the archive's size")?.len();
        let request = self
            .request(Method::POST, "/images/load")
            .query(&[("quiet", "1")])
            .header(reqwest::header::CONTENT_TYPE, "application/x-tar")
            .body(reqwest::Body::wrap(FileBody { file, left }));
        let answer = accepted(self.send(request).await?).await?;
        check(&answer.bytes().await.map_err(|error| lost(&error))?)
    }
}

fn check(answer: &[u8]) -> anyhow::Result<()> {
    for line in answer.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let line: Line = serde_json::from_slice(line).context("the Docker engine's answer cannot be read")?;
        if let Some(error) = line.error {
            anyhow::bail!("the Docker engine cannot load the image: {}", error.trim());
        }
    }
    Ok(())
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut chunk = vec![0; CHUNK];
        Poll::Ready(match self.file.read(&mut chunk) {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                self.left = self.left.saturating_sub(read as u64);
                Some(Ok(Frame::data(chunk.into())))
            }
            Err(error) => Some(Err(error)),
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_engine_is_found_in_its_answer() {
        check(b"{\"stream\":\"Loaded image ID: sha256:1\\n\"}\r\n").expect("it is loaded");
        let error = check(b"{\"stream\":\"x\"}\n{\"errorDetail\":{},\"error\":\"no space left\"}\n");
        assert_eq!(
            error.expect_err("it says so").to_string(),
            "the Docker engine cannot load the image: no space left"
        );
        check(b"<html>").expect_err("no JSON");
    }
}
