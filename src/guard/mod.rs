//! Is one of our secrets in what was built?
//!
//! Rule: pure. Bytes come in as a stream, findings go out; who asked for the image and what becomes of it is known
//! elsewhere. What cannot be read is an error, never a pass.

pub mod age;
pub mod archive;
#[cfg(test)]
mod archive_tests;
pub mod config;
mod filter;
pub mod finding;
#[cfg(test)]
mod fixture;
mod hash;
pub mod image;
#[cfg(test)]
mod image_tests;
mod layout;
mod mend;
pub mod needle;
pub mod policy;
mod reader;
mod report;
pub mod search;
mod tar;
pub mod verdict;
mod zip;
mod zstd;

pub use crate::form::Form;
pub use archive::Limits;
pub use finding::{Finding, Place};
pub use image::{Examined, Image, Options, examine};
pub use layout::REFERENCE_TYPE;
pub use needle::{Needle, Severity};
pub use search::{Hit, Scan, Searcher};
