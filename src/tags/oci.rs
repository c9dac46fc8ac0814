//! What an image says of itself: the keys of the OCI image specification (`annotations.md`) that docker/metadata-action
//! writes, as far as a pipeline tells their values. It tells no description and no licence.

use jiff::Timestamp;

use super::Run;
use crate::registry::reference::Tag;

/// The pairs `KEY=VALUE`, for labels and annotations alike. What has no value is left out; without a time for everything
/// in the image, it is created now.
#[must_use]
pub fn metadata(run: &Run, version: Option<&Tag>, created: Option<Timestamp>) -> Vec<String> {
    let created = format!("{:.3}", created.unwrap_or(run.now()));
    let pairs = [
        ("created", Some(created.as_str())),
        ("revision", Some(run.commit()).filter(|commit| !commit.is_empty())),
        ("source", run.page()),
        ("title", run.repository()),
        ("url", run.page()),
        ("version", version.map(Tag::as_str)),
    ];
    let pair =
        |(key, value): (&str, Option<&str>)| Some(format!("org.opencontainers.image.{key}={}", value?));
    pairs.into_iter().filter_map(pair).collect()
}

/// Puts the pairs before those that the user gave, which win.
pub fn add(given: &mut Vec<String>, pairs: Vec<String>) {
    let mut all = pairs;
    all.retain(|pair| !given.iter().any(|other| key(other) == key(pair)));
    all.append(given);
    *given = all;
}

/// The key of a label, or of an annotation of a manifest, which may say so before it.
fn key(pair: &str) -> &str {
    let key = pair.split_once('=').map_or(pair, |(key, _)| key);
    key.strip_prefix("manifest:").unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::env::Env;

    fn of(variables: &[(&str, &str)]) -> Vec<String> {
        let env: Env = variables.iter().copied().collect();
        let now = "2020-01-10T00:30:00Z".parse().unwrap();
        let run = Run::from_env(&env, None, now).unwrap();
        metadata(&run, Tag::parse("1.2.3").ok().as_ref(), None)
    }

    #[test]
    fn an_image_tells_its_repository_commit_and_version() {
        assert_eq!(
            of(&[
                ("BUILD_REPOSITORY_NAME", "octocat/Hello-World"),
                ("BUILD_REPOSITORY_URI", "https://contoso@dev.azure.com/contoso/p/_git/Hello-World"),
                ("BUILD_SOURCEVERSION", "860c1904a1ce19322e91ac35af1ab07466440c37"),
            ]),
            [
                "org.opencontainers.image.created=2020-01-10T00:30:00.000Z",
                "org.opencontainers.image.revision=860c1904a1ce19322e91ac35af1ab07466440c37",
                "org.opencontainers.image.source=https://dev.azure.com/contoso/p/_git/Hello-World",
                "org.opencontainers.image.title=Hello-World",
                "org.opencontainers.image.url=https://dev.azure.com/contoso/p/_git/Hello-World",
                "org.opencontainers.image.version=1.2.3",
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(
            of(&[("BUILD_REPOSITORY_URI", "$/project")]),
            [
                "org.opencontainers.image.created=2020-01-10T00:30:00.000Z",
                "org.opencontainers.image.source=$/project",
                "org.opencontainers.image.url=$/project",
                "org.opencontainers.image.version=1.2.3",
            ]
        );
    }

    #[test]
    fn what_the_user_says_wins() {
        let pairs = || ["a=1", "b=2", "c=3"].map(str::to_owned).to_vec();
        let mut given = ["b=x=y", "manifest:c=z", "index:a=i"].map(str::to_owned).to_vec();
        add(&mut given, pairs());
        assert_eq!(given, ["a=1", "b=x=y", "manifest:c=z", "index:a=i"]);
    }

    #[test]
    fn a_reproducible_image_is_created_at_its_own_time() {
        let run = Run::from_env(&Env::default(), None, "2020-01-10T00:30:00Z".parse().unwrap()).unwrap();
        let epoch = Timestamp::from_second(1_700_000_000).ok();
        assert_eq!(
            metadata(&run, None, epoch),
            ["org.opencontainers.image.created=2023-11-14T22:13:20.000Z"]
        );
    }
}
