//! The Dockerfile: where it lies, which secrets its build will mount, and what it copies and declares.
//!
//! Rule: read as BuildKit reads it, and leave it to BuildKit to say what is wrong in it.

mod base;
mod copies;
mod directive;
mod history;
mod line;
pub mod locate;
pub mod mounts;
mod stage;
mod syntax;
mod variables;
mod word;

pub use base::{BaseImage, base_image};
pub use copies::{ContextCopy, context_copies};
pub use directive::skips_check;
pub use history::lines_of_history;
pub use line::find_line;
pub use locate::locate;
pub use mounts::{SecretMount, secret_mounts};
pub use variables::{Declaration, declarations};
