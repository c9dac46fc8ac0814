//! What the engine's store holds of an image: all its bytes, its description, the cache records behind it; and how an
//! image leaves the store.

use std::io::{self, Read};

use anyhow::Context as _;
use bytes::{Buf as _, Bytes};
use reqwest::Method;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::engine::{Engine, accepted, lost};

/// Chunks on their way from the engine to the reader. A chunk is what one read of the socket gave, up to some hundred
/// KiB.
const IN_FLIGHT: usize = 16;

/// The bytes of an image archive, as they come; for a thread that may block.
#[derive(Debug)]
pub struct ImageStream {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for ImageStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// A record of the engine's build cache (`docker buildx du`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CacheRecord {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
    /// What made it, e.g. `[2/3] RUN make` or `mount / from exec /bin/sh -c make`.
    #[serde(default)]
    pub description: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DiskUsage {
    build_cache: Option<Vec<CacheRecord>>,
}

impl Engine {
    /// Streams the image as `docker save` does to `read`, which runs on a thread of its own. Nothing touches the disk, and
    /// no more than a few chunks are in memory.
    pub async fn read_image<T: Send + 'static>(
        &self,
        id: &str,
        read: impl FnOnce(ImageStream) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        let request = self.request(Method::GET, &format!("/images/{id}/get"));
        let mut response = accepted(self.send(request).await?).await.context("cannot read the image")?;
        let (sender, chunks) = mpsc::channel(IN_FLIGHT);
        let reader = tokio::task::spawn_blocking(move || read(ImageStream { chunks, current: Bytes::new() }));
        let mut broken = None;
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => Ok(chunk),
                Ok(None) => break,
                Err(error) => Err(broken.insert(lost(&error))),
            };
            let ends = chunk.is_err();
            let chunk = chunk.map_err(|error| io::Error::other(error.to_string()));
            // A reader that is gone has seen enough, or has failed and says so itself.
            if sender.send(chunk).await.is_err() || ends {
                break;
            }
        }
        drop(sender);
        let read = reader.await.context("the thread that reads the image ended early")?;
        // What the reader made of an image that ends in the middle is of no interest.
        broken.map_or(Ok(read), Err)
    }

    /// The engine's description of the image and of its history, as JSON texts.
    pub async fn describe(&self, id: &str) -> anyhow::Result<[String; 2]> {
        let read = async |path: String| {
            let response = accepted(self.send(self.request(Method::GET, &path)).await?).await?;
            response.text().await.map_err(|error| lost(&error))
        };
        let both =
            tokio::try_join!(read(format!("/images/{id}/json")), read(format!("/images/{id}/history")),);
        both.map(Into::into).with_context(|| format!("cannot read the description of image `{id}`"))
    }

    /// Removes an image that has no name; one that has keeps them all, which are returned.
    pub async fn remove_unnamed(&self, id: &str) -> anyhow::Result<Vec<String>> {
        let Some(names) = self.names(id).await? else { return Ok(Vec::new()) };
        if names.is_empty() {
            accepted(self.send(self.request(Method::DELETE, &format!("/images/{id}"))).await?).await?;
        }
        Ok(names)
    }

    /// The records of the build cache.
    pub async fn cache_records(&self) -> anyhow::Result<Vec<CacheRecord>> {
        let request = self.request(Method::GET, "/system/df").query(&[("type", "build-cache")]);
        let usage: DiskUsage = accepted(self.send(request).await?)
            .await?
            .json()
            .await
            .context("the engine's answer is cut short")?;
        Ok(usage.build_cache.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_gives_its_chunks_in_order_and_its_error() {
        let (sender, chunks) = mpsc::channel(4);
        let send = |chunk: io::Result<Bytes>| sender.blocking_send(chunk).expect("there is room");
        for chunk in ["ab", "", "cde"] {
            send(Ok(Bytes::from_static(chunk.as_bytes())));
        }
        send(Err(io::Error::other("gone")));
        let mut stream = ImageStream { chunks, current: Bytes::new() };
        let mut read = |length| {
            let mut buffer = vec![0; length];
            stream.read_exact(&mut buffer).map(|()| String::from_utf8(buffer).expect("ASCII"))
        };
        assert_eq!(read(1).expect("a byte"), "a");
        assert_eq!(read(4).expect("the rest"), "bcde");
        assert_eq!(read(1).expect_err("the connection broke").to_string(), "gone");
    }
}
