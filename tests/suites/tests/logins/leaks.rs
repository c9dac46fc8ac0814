//! Where tokens that are made during a step may be: nowhere but in the step's own memory and descriptors.

use std::sync::Arc;

use feedbuild_suites::canary::canary;
use feedbuild_suites::watch::{Part, Watch};

use super::*;

/// How every token begins that a sandbox makes: the header of a JWT is the same in all of them.
const HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.";

#[test]
fn no_token_is_in_arguments_environments_or_files() {
    at_once(STORES, |store| {
        let azure = Azure::new(store);
        azure.connect("WorkloadIdentityFederation");
        let name = unique("watched");
        let base = azure.pushed(&azure.step(&name)).output("imageReferences").unwrap().to_owned();
        azure.world.docker(&["image", "rm", "--force", &base]);
        assert!(azure.acr.issued_tokens()[0].starts_with(HEADER));

        let searcher = Arc::new(Searcher::new([("a token", HEADER)]));
        let watch = Watch::start(Arc::clone(&searcher), azure.world.job.root_dir(), &azure.world.engine);
        let step = build(&azure.world, &base, &unique("watched")).input("containerRegistry", AZURE);
        azure.pushed(&step);
        let seen = watch.end();
        assert_eq!(seen.processes, BTreeSet::new());
        assert_eq!(seen.files, BTreeSet::new());
        let mut left = BTreeSet::new();
        searcher.tree(azure.world.job.root_dir(), &mut left);
        assert_eq!(left, BTreeSet::new());
        assert!(seen.paths.iter().any(|path| path.ends_with("config.json")), "{:#?}", seen.paths);
    });
}

#[test]
fn the_key_of_a_service_principal_is_where_the_agent_put_it_only() {
    at_once(STORES, |store| {
        let key = canary("key");
        let azure = Azure::with(store, |acr| acr.principal(IDENTITY, &key));
        azure.connect_with("ServicePrincipal", &[("serviceprincipalkey", &key)], &[]);
        let name = unique("watched");
        let base = azure.pushed(&azure.step(&name)).output("imageReferences").unwrap().to_owned();
        azure.world.docker(&["image", "rm", "--force", &base]);

        let searcher = Arc::new(Searcher::new([("the key", key.as_str())]));
        let watch = Watch::start(Arc::clone(&searcher), azure.world.job.root_dir(), &azure.world.engine);
        let step = build(&azure.world, &base, &unique("watched")).input("containerRegistry", AZURE);
        let outcome = azure.pushed(&step);
        let seen = watch.end();
        let said = outcome.raw.iter().filter(|line| !line.starts_with("##vso[task.setsecret]"));
        for line in said {
            assert_eq!(searcher.find(line.as_bytes()), BTreeSet::new(), "in the line: {line}");
        }
        let task = step.task_dir().display().to_string();
        let is_own = |arguments: &[String]| arguments.iter().any(|word| word.starts_with(&task));
        let strangers = seen.processes.iter();
        let strangers = strangers.filter(|leak| leak.part != Part::Environment || !is_own(&leak.arguments));
        assert_eq!(strangers.collect::<Vec<_>>(), Vec::<&_>::new());
        assert_eq!(seen.files, BTreeSet::new());
    });
}
