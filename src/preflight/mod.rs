//! What is looked at before a build, for credentials that would end up in the image.
//!
//! Rule: what is certain is an error, what looks like one a warning; nothing here changes the build.

pub mod arguments;
pub mod context;
mod credential;
mod ignore;
pub mod names;
mod pattern;
mod source;
