//! The secrets of a job that the step knows by name: what must be in no log, no image and no argument.
//!
//! Rule: whoever creates or receives a secret registers it with the console, which keeps this list.

use secrecy::{ExposeSecret as _, SecretSlice};

use crate::guard::needle::{Needle, Severity, TooShort};

/// Whose secret it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This step uses it: it is fed to the build, or it opens a service.
    Step,
    /// The agent gave it to this step as to every other of the job.
    Job,
}

/// A secret and what people call it.
#[derive(Debug, Clone)]
pub struct Known {
    /// For people, e.g. "the job access token" or "secret variable `Npm.Password`".
    pub name: String,
    /// The value.
    pub value: SecretSlice<u8>,
    /// Whose it is.
    pub owner: Owner,
}

/// All that are known so far, each value once.
#[derive(Debug, Default)]
pub struct Register(Vec<Known>);

impl Known {
    /// As the check of the image looks for it.
    pub fn needle(&self) -> Result<Needle, TooShort> {
        match self.owner {
            Owner::Step => Needle::fed(&self.name, self.value.expose_secret()),
            Owner::Job => Needle::of_job(&self.name, self.value.expose_secret()),
        }
    }

    /// Whether its characters stand nowhere by chance.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.owner == Owner::Step || self.needle().is_ok_and(|needle| needle.severity == Severity::Error)
    }
}

impl Register {
    /// Adds a secret, and gives it back if that says something new. A secret of the job that the step uses becomes the
    /// step's.
    pub fn add(&mut self, name: &str, value: &[u8], owner: Owner) -> Option<&Known> {
        let new = Known { name: name.to_owned(), value: value.to_vec().into(), owner };
        match self.0.iter().position(|known| known.value.expose_secret() == value) {
            _ if value.is_empty() => None,
            None => {
                self.0.push(new);
                self.0.last()
            }
            Some(at) if self.0[at].owner == Owner::Job && owner == Owner::Step => {
                self.0[at] = new;
                self.0.get(at)
            }
            Some(_) => None,
        }
    }

    /// The secrets, in the order in which they became known.
    #[must_use]
    pub fn all(&self) -> &[Known] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_once_by_its_use_in_the_step() {
        let mut register = Register::default();
        assert!(register.add("the job access token", b"t0ken", Owner::Step).is_some());
        assert!(register.add("secret variable `System.AccessToken`", b"t0ken", Owner::Job).is_none());
        assert!(register.add("secret variable `Empty`", b"", Owner::Job).is_none());
        assert!(register.add("secret variable `Key`", b"k3y", Owner::Job).is_some());
        assert!(register.add("secret `API_KEY`", b"k3y", Owner::Step).is_some());
        let all: Vec<(&str, Owner)> =
            register.all().iter().map(|known| (known.name.as_str(), known.owner)).collect();
        assert_eq!(all, [("the job access token", Owner::Step), ("secret `API_KEY`", Owner::Step)]);
        assert!(!format!("{register:?}").contains("116"), "Debug shows bytes of the value");
    }
}
