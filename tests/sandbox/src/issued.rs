//! The tokens that a sandbox has made.

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

use crate::feed::guid;

/// How many ids have been given out: no two sandboxes of a process make the same token.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// In order of issue; a test looks for them where no token may be.
#[derive(Default)]
pub(crate) struct Issued(Mutex<Vec<String>>);

impl Issued {
    /// Remembers a token.
    pub(crate) fn add(&self, token: &str) {
        self.lock().push(token.to_owned());
    }

    /// All tokens so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().expect("no thread panics with the issued tokens")
    }
}

/// An id that is given out only once.
pub(crate) fn unique(what: &str) -> String {
    guid(&format!("{what} {}", COUNT.fetch_add(1, Ordering::Relaxed)))
}
