//! The digest of a stream, made on a thread of its own while the stream is searched.
//!
//! Rule: memory is bounded; who is faster waits.

use std::io::{self, Read};
use std::mem;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use ring::digest::{Context, SHA256};

/// Bytes that are handed over at once.
const BLOCK: usize = 256 * 1024;

/// How many blocks may wait.
const WAITING: usize = 4;

/// A thread that makes SHA-256 digests. The implementation is the one of TLS, in assembly: one built for size reads a
/// fifth of what it does.
pub(super) struct Hasher {
    blocks: SyncSender<Block>,
    digests: Receiver<String>,
    /// Blocks to be used again.
    used: Receiver<Vec<u8>>,
}

enum Block {
    Bytes(Vec<u8>),
    End,
}

impl Hasher {
    pub(super) fn start() -> io::Result<Self> {
        let (blocks, incoming) = mpsc::sync_channel(WAITING);
        let (made, digests) = mpsc::channel();
        let (give_back, used) = mpsc::channel();
        thread::Builder::new().name("digest".to_owned()).spawn(move || {
            let mut context = Context::new(&SHA256);
            for block in incoming {
                // If nobody listens any more, nobody needs to know.
                let _ = match block {
                    Block::Bytes(bytes) => {
                        context.update(&bytes);
                        give_back.send(bytes).is_ok()
                    }
                    Block::End => {
                        let digest = mem::replace(&mut context, Context::new(&SHA256)).finish();
                        made.send(format!("sha256:{}", hex::encode(digest))).is_ok()
                    }
                };
            }
        })?;
        Ok(Self { blocks, digests, used })
    }

    /// A reader whose bytes are hashed.
    pub(super) fn read<R: Read>(&self, inner: R) -> Hashed<'_, R> {
        Hashed { hasher: self, inner, block: Vec::new(), count: 0 }
    }

    fn send(&self, block: Block) -> io::Result<()> {
        self.blocks.send(block).map_err(|_| ended())
    }
}

/// A stream on its way through the [`Hasher`].
pub(super) struct Hashed<'h, R> {
    hasher: &'h Hasher,
    inner: R,
    block: Vec<u8>,
    count: u64,
}

impl<R: Read> Hashed<'_, R> {
    /// How many bytes were read.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The digest of what was read, e.g. `sha256:0123…`.
    pub(super) fn digest(mut self) -> io::Result<String> {
        self.hasher.send(Block::Bytes(mem::take(&mut self.block)))?;
        self.hasher.send(Block::End)?;
        self.hasher.digests.recv().map_err(|_| ended())
    }
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if self.block.len() + count > BLOCK {
            let mut next = self.hasher.used.try_recv().unwrap_or_default();
            next.clear();
            self.hasher.send(Block::Bytes(mem::replace(&mut self.block, next)))?;
        }
        self.block.extend_from_slice(&buffer[..count]);
        self.count += count as u64;
        Ok(count)
    }
}

fn ended() -> io::Error {
    io::Error::other("the thread that makes digests has ended")
}
