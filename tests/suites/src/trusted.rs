//! Authorities that docker trusts for one registry: `/etc/docker/certs.d/<host>/ca.crt`, read by the engine for every
//! request. Needs root.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

const FOLDER: &str = "/etc/docker/certs.d";

/// Tests of one process come and go while others still need the folders above.
static USERS: Mutex<usize> = Mutex::new(0);

/// An authority that is trusted as long as this lives.
pub struct Trusted(PathBuf);

impl Trusted {
    /// Trusts `pem` for the registry `host` (with its port).
    #[must_use]
    pub fn new(host: &str, pem: &str) -> Self {
        let folder = Path::new(FOLDER).join(host);
        let mut users = users();
        std::fs::create_dir_all(&folder).expect("the tests run as root");
        std::fs::write(folder.join("ca.crt"), pem).expect("the tests run as root");
        *users += 1;
        Self(folder)
    }
}

impl Drop for Trusted {
    fn drop(&mut self) {
        let mut users = users();
        let _ = std::fs::remove_dir_all(&self.0);
        *users -= 1;
        if *users == 0 {
            // Goes only if nothing else is in it.
            let _ = std::fs::remove_dir(FOLDER);
        }
    }
}

fn users() -> MutexGuard<'static, usize> {
    USERS.lock().unwrap_or_else(PoisonError::into_inner)
}
