//! What a feed can hold: one package of any kind.

use crate::{artifact::Artifact, library::Library, nupkg::Nupkg, tarball::Tarball, wheel::Wheel};

/// A package of one protocol.
#[derive(Clone, Debug)]
pub enum Package {
    /// For pip and its kin.
    Wheel(Wheel),
    /// For npm and its kin.
    Tarball(Tarball),
    /// For `NuGet`.
    Nupkg(Nupkg),
    /// For Maven and Gradle.
    Artifact(Artifact),
    /// For Cargo.
    Library(Library),
}

impl Package {
    /// `private-greeting` 1.0.0 for every protocol; for npm in the scope `@contoso` too.
    pub(crate) fn private_greetings() -> Vec<Self> {
        let (name, version) = ("private-greeting", "1.0.0");
        vec![
            Wheel::new(name, version).into(),
            Tarball::new(name, version).into(),
            Tarball::new("@contoso/private-greeting", version).into(),
            Nupkg::new("Private.Greeting", version).into(),
            Artifact::new("com.example", name, version).into(),
            Library::new(name, version).into(),
        ]
    }
}

macro_rules! kinds {
    ($($kind:ident),*) => {
        $(impl From<$kind> for Package {
            fn from(package: $kind) -> Self {
                Self::$kind(package)
            }
        })*
    };
}

kinds!(Wheel, Tarball, Nupkg, Artifact, Library);
