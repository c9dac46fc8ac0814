//! Which secret goes under which id: the ids that the Dockerfile mounts, plus what the user names. buildx sees
//! each id once.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{Asked, Entry};
use super::{IndexOrder, Secret};

use crate::dockerfile::SecretMount;
use crate::error::hinted;

/// What to do with an id that the Dockerfile mounts and nothing provides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingSecrets {
    /// Stop before the build: BuildKit would mount nothing and say nothing.
    Error,
    /// Go on, with a warning.
    Warn,
}

/// The entries of the catalogue that will be rendered, by id, and how they share the feeds.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// Ids and entries.
    pub entries: Vec<(String, Asked)>,
    /// How pip's entries share the feeds.
    pub order: IndexOrder,
    /// What the user should know.
    pub notices: Vec<String>,
    /// What is allowed and has its dangers.
    pub cautions: Vec<String>,
    /// What the user should look at.
    pub warnings: Vec<String>,
}

/// What the choice depends on.
#[derive(Debug)]
pub struct Wishes<'a> {
    /// What the Dockerfile mounts in the stages that the target reaches.
    pub mounts: &'a [SecretMount],
    /// The user's own secrets; they win over the catalogue.
    pub own: &'a [Secret],
    /// `secretIds`: other ids for entries.
    pub renamed: &'a BTreeMap<String, Asked>,
    /// How many feeds and service connections there are.
    pub sources: usize,
    /// `onlyAddExtraIndex`.
    pub only_extra: bool,
    /// `missingSecrets`.
    pub missing: MissingSecrets,
}

/// Chooses an entry for each mounted id that the user does not provide.
pub fn choose(wishes: &Wishes<'_>) -> anyhow::Result<Choice> {
    let mut choice = Choice {
        entries: Vec::new(),
        order: IndexOrder::FirstIsIndex,
        notices: Vec::new(),
        cautions: Vec::new(),
        warnings: Vec::new(),
    };
    let own: BTreeSet<&str> = wishes.own.iter().map(|secret| secret.id.as_str()).collect();
    let mut missing: Vec<(&SecretMount, String)> = Vec::new();
    let mut seen = BTreeSet::new();
    for mount in wishes.mounts.iter().filter(|mount| seen.insert(mount.id.as_str())) {
        if own.contains(mount.id.as_str()) {
            continue;
        }
        let asked = wishes.renamed.get(&mount.id).cloned().or_else(|| Asked::by(&mount.id));
        match asked {
            Some(asked) if wishes.sources == 0 && asked.entry.needs_source() => {
                missing.push((mount, "set `artifactFeeds`".to_owned()));
            }
            Some(Asked { entry: Entry::IndexUrl | Entry::UvIndexUrl, .. }) if wishes.only_extra => missing
                .push((
                    mount,
                    "leave out `onlyAddExtraIndex`, which makes every feed an extra index, or mount \
                 `PIP_EXTRA_INDEX_URL`"
                        .to_owned(),
                )),
            Some(asked) => choice.entries.push((mount.id.clone(), asked)),
            None => missing.push((mount, provide(&mount.id))),
        }
    }
    if !missing.is_empty() {
        let error = describe_missing(&missing);
        match wishes.missing {
            MissingSecrets::Error => return Err(error),
            MissingSecrets::Warn => choice.warnings.push(format!("{error}; the build goes on without")),
        }
    }
    share_feeds(wishes, &mut choice)?;
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    for name in wishes.mounts.iter().filter_map(|mount| mount.env.as_deref()).filter(|name| !plain(name)) {
        choice.cautions.push(format!(
            "`/bin/sh` drops the variable `{name}`, whose name has other characters than letters, digits and `_`: mount \
             a file instead, e.g. `nuget.config`"
        ));
    }
    let named = wishes.renamed.keys().map(String::as_str);
    for id in own.iter().copied().chain(named).filter(|id| !seen.contains(id)) {
        choice
            .notices
            .push(format!("secret `{id}` is given, but no `RUN` that the target reaches mounts it"));
    }
    Ok(choice)
}

/// `PipAuthenticate@1` puts the first feed into the index and the others into the extra index. A Dockerfile that
/// mounts nothing that holds the index would then never see the first feed, so the extra index holds them all.
fn share_feeds(wishes: &Wishes<'_>, choice: &mut Choice) -> anyhow::Result<()> {
    let holds = |wanted: &[Entry]| choice.entries.iter().find(|(_, asked)| wanted.contains(&asked.entry));
    let extra = holds(&[Entry::ExtraIndexUrl, Entry::UvExtraIndexUrl]);
    if wishes.only_extra {
        choice.order = IndexOrder::AllExtra;
    } else if let (Some((id, _)), None) =
        (extra, holds(&[Entry::IndexUrl, Entry::PipConf, Entry::UvIndexUrl, Entry::UvToml]))
    {
        choice.order = IndexOrder::AllExtra;
        choice.notices.push(format!(
            "secret `{id}` holds all feeds: the Dockerfile mounts no `PIP_INDEX_URL` that would hold the first one"
        ));
    } else if let (Some((id, _)), 1) = (extra, wishes.sources) {
        choice.notices.push(format!("secret `{id}` is empty: the only feed is the index"));
    }
    let extra_feeds = match choice.order {
        IndexOrder::AllExtra => wishes.sources,
        IndexOrder::FirstIsIndex => wishes.sources.saturating_sub(1),
    };
    let argument =
        wishes.mounts.iter().find(|mount| mount.as_url && extra.is_some_and(|(id, _)| *id == mount.id));
    if let Some(mount) = argument.filter(|_| extra_feeds > 1) {
        return Err(hinted(
            format!(
                "the `RUN` in line {} gives secret `{}` as one argument, but it holds {extra_feeds} URLs",
                mount.line, mount.id
            ),
            "mount it as a variable, `--mount=type=secret,id=PIP_EXTRA_INDEX_URL,env=PIP_EXTRA_INDEX_URL`, and leave \
             the argument out; or mount `pip.conf`",
        ));
    }
    let pip = holds(&[Entry::ExtraIndexUrl, Entry::PipConf]).filter(|_| extra_feeds > 0);
    if let Some((id, _)) = pip {
        choice.cautions.push(format!(
            "secret `{id}` adds to pip's other indexes, and pip takes the highest version from any of them: whoever \
             publishes a package of the same name there wins (dependency confusion); the way out is one feed with \
             upstreams, mounted as `PIP_INDEX_URL`"
        ));
    }
    let as_file = |id: &str| wishes.mounts.iter().any(|mount| mount.id == id && mount.env.is_none());
    if let Some((id, _)) = extra.filter(|(id, _)| extra_feeds > 1 && as_file(id)) {
        choice.notices.push(format!(
            "secret `{id}` holds {extra_feeds} URLs with a space between them: pip reads that from \
             `PIP_EXTRA_INDEX_URL`, but `--extra-index-url` takes only one"
        ));
    }
    Ok(())
}

fn describe_missing(missing: &[(&SecretMount, String)]) -> anyhow::Error {
    let ids: Vec<String> =
        missing.iter().map(|(mount, _)| format!("`{}` (line {})", mount.id, mount.line)).collect();
    let mut ways: Vec<String> =
        missing.iter().map(|(mount, way)| format!("for `{}` {way}", mount.id)).collect();
    ways.dedup();
    hinted(
        format!("the Dockerfile mounts secrets that nothing provides: {}", ids.join(", ")),
        format!("{}; or set `missingSecrets: warn` to build without", ways.join("; ")),
    )
}

fn provide(id: &str) -> String {
    format!(
        "add `{id}=VARIABLE` to `secretEnvs` or `{id}=PATH` to `secretFiles`, or, if it is a feed's, \
         `{id}=CATALOGUE_ID` to `secretIds`, e.g. `{id}=PIP_EXTRA_INDEX_URL`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    fn mounts(ids: &[&str]) -> Vec<SecretMount> {
        let mount = |(line, id): (usize, &&str)| SecretMount {
            id: (*id).to_owned(),
            required: false,
            env: None,
            target: None,
            line: line + 3,
            stage: "0".to_owned(),
            as_url: false,
        };
        ids.iter().enumerate().map(mount).collect()
    }

    fn asked(entry: Entry) -> Asked {
        Asked { entry, name: None }
    }

    fn chosen(ids: &[&str], feeds: usize, only_extra: bool) -> anyhow::Result<Choice> {
        choose(&Wishes {
            mounts: &mounts(ids),
            own: &[Secret { id: "mine".to_owned(), value: b"x".to_vec().into(), lasting: true }],
            renamed: &BTreeMap::from([("my_url".to_owned(), asked(Entry::ExtraIndexUrl))]),
            sources: feeds,
            only_extra,
            missing: MissingSecrets::Error,
        })
    }

    #[test]
    fn feeds_are_shared_as_pip_authenticate_shares_them() {
        use IndexOrder::{AllExtra, FirstIsIndex};
        let table: [(&[&str], bool, IndexOrder); 5] = [
            (&["mine", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"], false, FirstIsIndex),
            (&["mine", "PIP_EXTRA_URL"], false, AllExtra),
            (&["mine", "PIP_EXTRA_URL"], true, AllExtra),
            (&["mine", "my_url", "pip.conf"], false, FirstIsIndex),
            (&["mine", "netrc"], false, FirstIsIndex),
        ];
        for (ids, only_extra, order) in table {
            assert_eq!(
                chosen(ids, 2, only_extra).expect("all provided").order,
                order,
                "{ids:?} {only_extra}"
            );
        }
    }

    #[test]
    fn an_own_secret_needs_no_entry_and_is_noticed_if_nothing_mounts_it() {
        let choice = chosen(&["netrc"], 1, false).expect("all provided");
        assert_eq!(choice.entries, [("netrc".to_owned(), asked(Entry::Netrc))]);
        assert_eq!(
            choice.notices,
            ["mine", "my_url"]
                .map(|id| format!("secret `{id}` is given, but no `RUN` that the target reaches mounts it"))
        );
    }

    #[test]
    fn pip_with_extra_indexes_is_cautioned_against() {
        let table: [(&[&str], usize, bool, bool); 5] = [
            (&["mine", "my_url", "PIP_INDEX_URL"], 1, false, false),
            (&["mine", "my_url", "PIP_INDEX_URL"], 2, false, true),
            (&["mine", "my_url"], 1, true, true),
            (&["mine", "my_url", "pip.conf"], 2, false, true),
            (&["mine", "my_url", "UV_INDEX"], 1, false, true),
        ];
        for (ids, feeds, only_extra, cautioned) in table {
            let choice = chosen(ids, feeds, only_extra).expect("all provided");
            assert_eq!(
                choice.cautions.len(),
                usize::from(cautioned),
                "{ids:?} of {feeds}: {:?}",
                choice.cautions
            );
        }
        let uv = chosen(&["mine", "UV_INDEX"], 2, true).expect("all provided");
        assert_eq!(uv.cautions, [""; 0], "uv takes the first index that has a package");
    }

    #[test]
    fn a_variable_that_the_shell_drops_is_cautioned_against() {
        let mut mounts = mounts(&["mine", "NuGetPackageSourceCredentials_a-b"]);
        mounts[0].env = Some("MINE_1".to_owned());
        mounts[1].env = Some("NuGetPackageSourceCredentials_a-b".to_owned());
        let wishes = Wishes {
            mounts: &mounts,
            own: &[Secret::text("mine", &"x".into())],
            renamed: &BTreeMap::new(),
            sources: 1,
            only_extra: false,
            missing: MissingSecrets::Error,
        };
        let cautions = choose(&wishes).expect("all provided").cautions;
        assert_eq!(cautions.len(), 1, "{cautions:?}");
        assert!(cautions[0].contains("`NuGetPackageSourceCredentials_a-b`"), "{cautions:?}");
    }

    #[test]
    fn several_urls_are_no_argument() {
        let mut mounts = mounts(&["PIP_EXTRA_URL"]);
        mounts[0].as_url = true;
        let chosen = |sources| {
            choose(&Wishes {
                mounts: &mounts,
                own: &[],
                renamed: &BTreeMap::new(),
                sources,
                only_extra: true,
                missing: MissingSecrets::Error,
            })
        };
        chosen(1).expect("one URL is one argument");
        let text = error::render(&chosen(2).expect_err("two are not"));
        assert!(
            text.starts_with(
                "the `RUN` in line 3 gives secret `PIP_EXTRA_URL` as one argument, but it holds 2 URLs"
            ),
            "{text}"
        );
    }

    #[test]
    fn what_is_missing_is_told_with_its_line_and_the_way_out() {
        let table: [(&[&str], usize, bool, &str, &str); 3] = [
            (&["api_key"], 1, false, "`api_key` (line 3)", "add `api_key=VARIABLE` to `secretEnvs`"),
            (&["PIP_EXTRA_URL"], 0, false, "`PIP_EXTRA_URL` (line 3)", "set `artifactFeeds`"),
            (
                &["netrc", "PIP_INDEX_URL"],
                1,
                true,
                "`PIP_INDEX_URL` (line 4)",
                "leave out `onlyAddExtraIndex`",
            ),
        ];
        for (ids, feeds, only_extra, what, way) in table {
            let text = error::render(&chosen(ids, feeds, only_extra).expect_err("something is missing"));
            assert!(
                text.contains(what) && text.contains(way) && text.contains("`missingSecrets: warn`"),
                "{text}"
            );
        }
    }
}
