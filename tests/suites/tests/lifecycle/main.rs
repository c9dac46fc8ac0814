//! How a step may end: well, cancelled, killed, out of memory or disk, without its engine. Whatever happens, nothing of it
//! stays, and the result is the right one.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod broken;
mod cancelled;
mod container;
mod dumps;
mod environment;
mod killed;
mod several;
mod trial;
