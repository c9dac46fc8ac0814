//! Is one of our secrets in what was built?
//!
//! Rule: pure. Bytes come in as a stream, findings go out; who asked for the image and what becomes of it is known
//! elsewhere. What cannot be read is an error, never a pass.

pub mod age;
mod filter;
pub mod form;
pub mod needle;
pub mod policy;
pub mod search;

pub use form::Form;
pub use needle::{Needle, Severity};
pub use search::{Hit, Scan, Searcher};
