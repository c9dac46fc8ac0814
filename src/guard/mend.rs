//! What to change so that a needle stays out of the image.
//!
//! Rule: only what would work where the needle was found; nothing is better than a guess.

use super::config;
use super::finding::{Instruction, Place};

/// A sentence without its full stop.
pub(super) fn mend(place: &Place, instruction: Option<&Instruction>) -> Option<String> {
    let text = instruction.map_or("", |instruction| instruction.text.as_str());
    match place {
        Place::Document(place) => document(place, text),
        Place::Layer { path, deleted_by, .. } => Some(file(path, deleted_by.is_some(), text).to_owned()),
        Place::Blob { .. } => None,
    }
}

fn document(place: &config::Place, instruction: &str) -> Option<String> {
    use config::Place::{Annotation, History, Label, Other, Variable};
    Some(match place {
        Variable(name) => format!(
            "give it to the `RUN` that needs it alone, `RUN --mount=type=secret,id={name},env={name} …`, in place of `ENV`"
        ),
        Label(_) | Annotation(..) => "whoever can pull the image can read it; leave the value out".to_owned(),
        History(_) if instruction.starts_with("RUN") || instruction.starts_with("ARG") => {
            "a build argument stays in the history; feed it as a secret, `RUN --mount=type=secret,id=… …`"
                .to_owned()
        }
        History(_) => "the history holds every instruction; take the value out of it".to_owned(),
        Other(place) if of_mode_max(place) => {
            "provenance of `mode=max` holds the Dockerfile, comments too, and what all of its stages run; take the value out \
             of it, or write `provenance: mode=min`"
                .to_owned()
        }
        Other(_) => return None,
    })
}

/// Whether a place is one that provenance has in `mode=max` only (`docs/attestations/slsa-definitions.md` of
/// moby/buildkit).
fn of_mode_max(place: &str) -> bool {
    place.ends_with("provenance attestation")
        && [".source.infos[", ".llbDefinition["].iter().any(|part| place.contains(part))
}

/// What is known of files by the ends of their paths.
const FILES: [(&[&str], &str); 7] = [
    (
        &["direct_url.json"],
        "pip notes the URL that it installs from; let it authenticate by a mounted `.netrc` or `pip.conf`, not by the URL",
    ),
    (
        &[".git/config", "FETCH_HEAD", "ORIG_HEAD", "packed-refs", "logs/HEAD"],
        "git keeps the URL that it clones from; let it authenticate by a mounted `.netrc` or header, or leave `.git` out",
    ),
    (
        &[".bash_history", ".ash_history", ".sh_history", ".python_history"],
        "a shell wrote its history; delete it in the `RUN` that makes it",
    ),
    (
        &[
            "package-lock.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "uv.lock",
            "poetry.lock",
            "Pipfile.lock",
            ".package-lock.json",
        ],
        "lock files keep the URLs of packages; authenticate by configuration, not by the URL, and lock again",
    ),
    (
        &[
            ".npmrc",
            ".yarnrc",
            ".yarnrc.yml",
            "pip.conf",
            "pip.ini",
            ".netrc",
            "_netrc",
            ".pypirc",
            "NuGet.Config",
            "nuget.config",
            "NuGet.config",
            "settings.xml",
            "credentials.toml",
            "auth.toml",
            "uv.toml",
            ".docker/config.json",
            ".env",
            ".git-credentials",
            "gradle.properties",
            ".condarc",
        ],
        "mount the file, `RUN --mount=type=secret,id=…,target=… …`, and keep it out of the build context by `.dockerignore`",
    ),
    (&[".log"], "a program wrote it into its log; delete the log in the `RUN` that makes it"),
    (&[".pyc"], "Python compiled it in; read the value when the program runs, from its environment"),
];

/// Folders of caches, by a part of the path.
const CACHES: [&str; 9] = [
    "_cacache/",
    "_logs/",
    ".cache/pip",
    ".cache/uv",
    ".cache/yarn",
    ".cache/pypoetry",
    ".nuget/",
    ".m2/",
    ".gradle/",
];

fn file(path: &[String], is_deleted: bool, instruction: &str) -> &'static str {
    let outer = path.first().map_or("", String::as_str);
    if is_deleted {
        return "a later layer hides the file and keeps its content; delete it in the instruction that makes it, or mount it";
    }
    let innermost = path.last().map_or("", String::as_str);
    if let Some((_, mend)) = FILES.iter().find(|(ends, _)| ends.iter().any(|end| ends_with(innermost, end))) {
        return mend;
    }
    if CACHES.iter().any(|cache| outer.contains(cache)) {
        return "it is in the cache of a package client; turn the cache off (`--no-cache-dir`) or mount it, \
                `RUN --mount=type=cache,target=… …`";
    }
    if instruction.starts_with("COPY") || instruction.starts_with("ADD") {
        return "keep the file out of the build context by `.dockerignore`, or copy less of the stage that it comes from";
    }
    "mount the secret, `RUN --mount=type=secret,id=… …`, and write nothing of it to a file, or do it in a stage of \
     which only the result is copied, `COPY --from=…`"
}

/// Whether the last components of `path` are `end`.
fn ends_with(path: &str, end: &str) -> bool {
    match path.strip_suffix(end) {
        Some(before) => before.is_empty() || before.ends_with('/') || end.starts_with(['.', '/']),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_full_provenance_holds_has_a_mend() {
        for (place, expected) in [
            ("`predicate.metadata.x#metadata.source.infos[0].data` of the provenance attestation", true),
            ("`predicate.buildConfig.llbDefinition[1].op` of the provenance attestation", true),
            ("`predicate.materials[0].uri` of the provenance attestation", false),
            ("`packages.llbDefinition[1].name` of the SBOM attestation", false),
        ] {
            let mend = document(&config::Place::Other(place.to_owned()), "");
            assert_eq!(mend.is_some_and(|mend| mend.contains("`provenance: mode=min`")), expected, "{place}");
        }
    }

    #[test]
    fn each_kind_of_file_has_its_mend() {
        let table = [
            ("usr/lib/x.dist-info/direct_url.json", "RUN", "pip notes the URL"),
            ("src/.git/config", "COPY", "git keeps the URL"),
            ("etc/app/config", "COPY", "keep the file out of the build context"),
            ("root/.m2/settings.xml", "RUN", "mount the file"),
            ("root/.m2/repository/x.lastUpdated", "RUN", "it is in the cache"),
            ("root/.npm/_cacache/content-v2/sha512/ab/cd", "RUN", "it is in the cache"),
            ("root/.npm/_logs/2024-debug-0.log", "RUN", "a program wrote it into its log"),
            ("app/package-lock.json", "COPY", "lock files keep the URLs"),
            ("root/.bash_history", "RUN", "a shell wrote its history"),
            ("app/__pycache__/x.cpython-312.pyc", "RUN", "Python compiled it in"),
            ("app/prod.env", "COPY", "mount the file"),
            ("app/main.py", "COPY app / # buildkit", "keep the file out of the build context"),
            ("app/main.py", "RUN /bin/sh -c make # buildkit", "mount the secret"),
        ];
        for (path, instruction, begin) in table {
            let mend = file(&[path.to_owned()], false, instruction);
            assert!(mend.starts_with(begin), "{path}: {mend}");
        }
        assert!(file(&["root/.npmrc".to_owned()], true, "RUN").starts_with("a later layer hides the file"));
    }
}
