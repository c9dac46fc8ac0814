//! What a feed speaks, and where below the feed it does.

/// A protocol of package clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The simple index of pip, uv and Poetry.
    PyPi,
    /// The upload end of `PyPI`, for twine.
    PyPiUpload,
    /// The registry of npm, pnpm and yarn.
    Npm,
    /// The v3 service index of `NuGet`.
    NuGet,
    /// The Maven repository, also for Gradle.
    Maven,
    /// Cargo's sparse index; cargo wants `sparse+` before the URL.
    Cargo,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::PyPi, Self::PyPiUpload, Self::Npm, Self::NuGet, Self::Maven, Self::Cargo];

    /// The path below a feed that a client is given.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::PyPi => "pypi/simple/",
            Self::PyPiUpload => "pypi/upload/",
            Self::Npm => "npm/registry/",
            Self::NuGet => "nuget/v3/index.json",
            Self::Maven => "maven/v1",
            Self::Cargo => "Cargo/index/",
        }
    }
}
