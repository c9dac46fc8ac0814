//! How a secret reaches another process: on Linux by a descriptor that only we hold, elsewhere by a private file.
//!
//! Rule: a descriptor is never inherited. The docker client opens `/proc/<our pid>/fd/N`, so no process that it
//! starts gets one, and the secret is gone with us. Only the client's standard input, which it hands to nobody, is
//! given directly.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use secrecy::{ExposeSecret, SecretSlice};

use crate::csv;
use crate::private::{self, PrivateFolder};
use crate::secret::Secret;

/// By which way secrets are fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Anonymous memory (`memfd_create`).
    Descriptors,
    /// Files of mode 0600 in the private folder.
    Files,
}

impl Way {
    /// The better way that this system has.
    pub const PREFERRED: Self = if cfg!(target_os = "linux") { Self::Descriptors } else { Self::Files };
}

/// A secret that another process of our user can open at a path while this value lives.
#[derive(Debug)]
pub struct Fed(platform::Holder);

impl Fed {
    /// Makes `content` available; `name` is for people who look at `/proc` or into the folder.
    pub fn new(
        name: &str,
        content: &SecretSlice<u8>,
        way: Way,
        folder: &PrivateFolder,
    ) -> anyhow::Result<Self> {
        platform::hold(name, content.expose_secret(), way, folder).map(Self)
    }

    /// Where to open it. Each opening starts at the first byte.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.0.path()
    }
}

/// A private file that goes away with this value.
#[derive(Debug)]
struct File(PathBuf);

impl File {
    fn new(name: &str, content: &[u8], folder: &PrivateFolder) -> anyhow::Result<Self> {
        folder.write(name, content).map(Self)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // What cannot be removed now goes with its folder.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The secrets of a build and the logins of its client, ready for both.
#[derive(Debug)]
pub struct Feeder {
    held: Vec<(String, Fed)>,
    stdin: Option<usize>,
    logins: Fed,
}

impl Feeder {
    /// Makes all secrets available, and the logins as our credential helper reads them.
    pub fn new(
        secrets: &[&Secret],
        logins: &SecretSlice<u8>,
        way: Way,
        folder: &PrivateFolder,
    ) -> anyhow::Result<Self> {
        let held: Vec<(String, Fed)> = secrets
            .iter()
            .enumerate()
            .map(|(number, secret)| {
                let fed = Fed::new(&format!("secret-{number}"), &secret.value, way, folder)
                    .with_context(|| format!("cannot feed secret `{}`", secret.id))?;
                Ok((secret.id.clone(), fed))
            })
            .collect::<anyhow::Result<_>>()?;
        // The standard input cannot be replaced, so it holds what never has to be.
        let lasting = secrets.iter().position(|secret| secret.lasting);
        let stdin = lasting.filter(|_| way == Way::Descriptors);
        let logins = Fed::new("logins", logins, way, folder).context("cannot feed the logins")?;
        Ok(Self { held, stdin, logins })
    }

    /// The values of `--secret`.
    #[must_use]
    pub fn specs(&self) -> Vec<String> {
        let spec = |(number, (id, fed)): (usize, &(String, Fed))| {
            let path = if Some(number) == self.stdin { PathBuf::from("/dev/stdin") } else { fed.path() };
            csv::record([format!("id={id}").as_str(), &format!("src={}", path.display())])
        };
        self.held.iter().enumerate().map(spec).collect()
    }

    /// Where our credential helper opens the logins.
    #[must_use]
    pub fn logins(&self) -> PathBuf {
        self.logins.path()
    }

    /// The client's standard input.
    pub fn stdin(&self) -> anyhow::Result<Stdio> {
        match self.stdin.and_then(|number| self.held.get(number)) {
            Some((_, fed)) => fed.0.as_stdin().context("cannot give a secret to the client's standard input"),
            None => Ok(Stdio::null()),
        }
    }

    /// Puts `secret` in the place of the one with its id. A client that opens it from now on gets the new content whole;
    /// one that has it open keeps the old.
    pub fn replace(&self, secret: &Secret) -> anyhow::Result<()> {
        let fed = self.held.iter().find(|(id, _)| *id == secret.id).map(|(_, fed)| fed);
        let fed = fed.with_context(|| format!("secret `{}` is not fed", secret.id))?;
        fed.0
            .replace(secret.value.expose_secret())
            .with_context(|| format!("cannot renew secret `{}`", secret.id))
    }

    /// Puts `logins` in the place of the old ones.
    pub fn replace_logins(&self, logins: &SecretSlice<u8>) -> anyhow::Result<()> {
        self.logins.0.replace(logins.expose_secret()).context("cannot renew the logins")
    }

    /// Whether a line that the client printed says that it, or our credential helper below it, could not open one of
    /// our descriptors: it runs as another user, or in a sandbox with a `/proc` of its own.
    #[must_use]
    pub fn is_unreachable(&self, line: &str) -> bool {
        let refused = ["permission denied", "no such file", "does not exist", "could not find"];
        let line = line.to_lowercase();
        let mut all = self.held.iter().map(|(_, fed)| fed).chain([&self.logins]);
        refused.iter().any(|reason| line.contains(reason))
            && all.any(|fed| fed.0.is_descriptor() && line.contains(&path_text(&fed.path())))
    }
}

fn path_text(path: &Path) -> String {
    path.display().to_string().to_lowercase()
}

/// A new file in the place of the old: whoever opens it gets one or the other, whole.
fn replace_file(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let fresh = path.with_extension("new");
    private::write(&fresh, content).with_context(|| format!("cannot write `{}`", fresh.display()))?;
    std::fs::rename(&fresh, path).with_context(|| format!("cannot replace `{}`", path.display()))
}

#[cfg(target_os = "linux")]
mod platform {
    use std::cell::RefCell;
    use std::io::{self, Write as _};
    use std::os::fd::{AsRawFd as _, OwnedFd};
    use std::path::PathBuf;
    use std::process::Stdio;

    use anyhow::Context as _;
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use rustix::io::{DupFlags, dup3};

    use super::{File, Way};
    use crate::private::PrivateFolder;

    #[derive(Debug)]
    pub(super) enum Holder {
        Descriptor(RefCell<OwnedFd>),
        File(File),
    }

    pub(super) fn hold(
        name: &str,
        content: &[u8],
        way: Way,
        folder: &PrivateFolder,
    ) -> anyhow::Result<Holder> {
        match way {
            Way::Files => File::new(name, content, folder).map(Holder::File),
            Way::Descriptors => memory(name, content)
                .context("cannot hold it in memory")
                .map(|fd| Holder::Descriptor(fd.into())),
        }
    }

    fn memory(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
        let fd = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut file = std::fs::File::from(fd);
        file.write_all(content)?;
        fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK)?;
        Ok(file.into())
    }

    impl Holder {
        pub(super) fn path(&self) -> PathBuf {
            match self {
                Self::Descriptor(fd) => {
                    format!("/proc/{}/fd/{}", std::process::id(), fd.borrow().as_raw_fd()).into()
                }
                Self::File(file) => file.0.clone(),
            }
        }

        /// In one instant: `dup3` closes the old descriptor and gives its number to the new one.
        pub(super) fn replace(&self, content: &[u8]) -> anyhow::Result<()> {
            match self {
                Self::Descriptor(fd) => {
                    let fresh = memory("renewed", content)?;
                    dup3(fresh, &mut fd.borrow_mut(), DupFlags::CLOEXEC)?;
                    Ok(())
                }
                Self::File(file) => super::replace_file(&file.0, content),
            }
        }

        pub(super) fn is_descriptor(&self) -> bool {
            matches!(self, Self::Descriptor(_))
        }

        pub(super) fn as_stdin(&self) -> io::Result<Stdio> {
            match self {
                Self::Descriptor(fd) => Ok(fd.borrow().try_clone()?.into()),
                Self::File(_) => Ok(Stdio::null()),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::path::PathBuf;
    use std::process::Stdio;

    use super::{File, Way};
    use crate::private::PrivateFolder;

    #[derive(Debug)]
    pub(super) struct Holder(File);

    pub(super) fn hold(name: &str, content: &[u8], _: Way, folder: &PrivateFolder) -> anyhow::Result<Holder> {
        File::new(name, content, folder).map(Holder)
    }

    impl Holder {
        pub(super) fn path(&self) -> PathBuf {
            self.0.0.clone()
        }

        pub(super) fn replace(&self, content: &[u8]) -> anyhow::Result<()> {
            super::replace_file(&self.0.0, content)
        }

        pub(super) fn is_descriptor(&self) -> bool {
            false
        }

        pub(super) fn as_stdin(&self) -> std::io::Result<Stdio> {
            Ok(Stdio::null())
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn secret(id: &str, value: &str) -> Secret {
        Secret::text(id, &value.into())
    }

    fn feeder(ids: &[&str], way: Way) -> (Feeder, PrivateFolder) {
        let folder = PrivateFolder::create(&crate::agent::env::Env::default()).expect("temp is writable");
        let secrets: Vec<Secret> = ids.iter().map(|id| secret(id, &format!("value of {id}"))).collect();
        let secrets: Vec<&Secret> = secrets.iter().collect();
        (Feeder::new(&secrets, &b"{}".to_vec().into(), way, &folder).expect("fed"), folder)
    }

    #[test]
    fn the_first_goes_to_stdin_and_the_rest_stay_ours() {
        let (feeder, _folder) = feeder(&["a", "b,c"], Way::Descriptors);
        let path = feeder.held[1].1.path();
        assert_eq!(
            feeder.specs(),
            ["id=a,src=/dev/stdin".to_owned(), format!("\"id=b,c\",src={}", path.display())]
        );
        for _ in 0..2 {
            assert_eq!(std::fs::read_to_string(&path).expect("readable by us"), "value of b,c");
        }
    }

    #[test]
    fn a_descriptor_cannot_be_written() {
        let (feeder, _folder) = feeder(&["a"], Way::Descriptors);
        std::fs::write(feeder.held[0].1.path(), "x").expect_err("it is sealed");
    }

    #[test]
    fn a_refusal_of_a_descriptor_is_recognised() {
        let (feeder, _folder) = feeder(&["a", "b"], Way::Descriptors);
        let path = feeder.held[1].1.path();
        assert!(
            feeder.is_unreachable(&format!("ERROR: failed to stat {}: permission denied", path.display()))
        );
        let logins = feeder.logins();
        assert!(feeder.is_unreachable(&format!("out: `cannot open `{}`: No such file", logins.display())));
        assert!(!feeder.is_unreachable("ERROR: failed to stat /etc/x: permission denied"));
    }

    #[test]
    fn a_renewed_secret_is_whole_at_the_same_path() {
        for way in [Way::Descriptors, Way::Files] {
            let (feeder, _folder) = feeder(&["a", "b"], way);
            let path = feeder.held[1].1.path();
            feeder.replace(&secret("b", "renewed, and longer than before")).expect("replaced");
            assert_eq!(
                std::fs::read_to_string(&path).expect("readable by us"),
                "renewed, and longer than before"
            );
            assert_eq!(feeder.held[1].1.path(), path);
        }
    }

    #[test]
    fn what_may_be_renewed_is_not_given_to_stdin() {
        let folder = PrivateFolder::create(&crate::agent::env::Env::default()).expect("temp is writable");
        let (short, long) = (Secret { lasting: false, ..secret("short", "x") }, secret("long", "y"));
        let feeder =
            Feeder::new(&[&short, &long], &b"{}".to_vec().into(), Way::Descriptors, &folder).expect("fed");
        assert_eq!(feeder.stdin, Some(1));
    }

    #[test]
    fn files_need_no_stdin_and_go_away() {
        let (feeder, folder) = feeder(&["a"], Way::Files);
        assert_eq!(feeder.specs(), [format!("id=a,src={}", folder.path().join("secret-0").display())]);
        let files = || folder.path().read_dir().expect("it is ours").count();
        assert_eq!(files(), 2, "the secret and the logins");
        drop(feeder);
        assert_eq!(files(), 0);
    }
}
