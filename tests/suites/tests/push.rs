//! Pushes that hold: what passes by itself is tried again, what lasts is told at once, and what is pushed is read back.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::thread;
use std::time::Duration;

use feedbuild_agent::{Outcome, Step};
use feedbuild_sandbox::Fault;
use feedbuild_suites::{REGISTRY_ID, Store, World, only_error, succeeded, unique};

const STORES: [Store; 2] = [Store::Containerd, Store::Classic];

/// A step that builds something of its own and pushes it.
fn step(world: &World, repository: &str) -> Step {
    world
        .build_step(&format!("FROM feedbuild-test/base\nRUN echo {repository} >/name\n"))
        .input("command", "buildAndPush")
        .input("containerRegistry", REGISTRY_ID)
        .input("repository", repository)
        .input("tags", "1")
}

/// The one error of the step; the registry is `REGISTRY` in it, the repository `APP`.
fn error(world: &World, repository: &str, outcome: &Outcome) -> String {
    only_error(outcome).replace(&world.registry.host(), "REGISTRY").replace(repository, "APP")
}

/// How often the step said that it tries the push again.
fn retries(outcome: &Outcome) -> usize {
    outcome.log.iter().filter(|line| line.starts_with("The push did not come through (")).count()
}

/// How often the client built.
fn builds(outcome: &Outcome) -> usize {
    outcome
        .log
        .iter()
        .filter(|line| line.ends_with("[internal] load build definition from Dockerfile"))
        .count()
}

/// Runs one push for each fault, all at once, in a world of their own each.
fn each<T: Send>(
    cases: Vec<(Store, &'static str, Fault, usize)>,
    run: impl Fn(&World, String) -> T + Sync,
) -> Vec<(String, T)> {
    thread::scope(|scope| {
        let run = &run;
        let running: Vec<_> = cases
            .into_iter()
            .map(|(store, pattern, fault, count)| {
                let name = format!("{store:?}, {pattern}, {fault:?}");
                let started = scope.spawn(move || {
                    let (world, repository) = (World::new(store), unique("push"));
                    world.registry.fault(pattern, fault, count);
                    run(&world, repository)
                });
                (name, started)
            })
            .collect();
        running.into_iter().map(|(name, running)| (name, running.join().unwrap())).collect()
    })
}

#[test]
fn what_passes_by_itself_is_tried_again() {
    let manifest = "PUT /v2/*/manifests/1";
    // containerd itself asks twice after a server's fault, and six times after 429, without a pause.
    let mut cases = vec![
        (Store::Containerd, manifest, Fault::Status(429), 6),
        (Store::Containerd, manifest, Fault::RetryAfter(503, 1), 2),
        (Store::Containerd, manifest, Fault::Status(500), 2),
        (Store::Classic, manifest, Fault::Status(429), 1),
        (Store::Classic, manifest, Fault::RetryAfter(503, 1), 1),
        (Store::Classic, manifest, Fault::Status(500), 1),
    ];
    for store in STORES {
        cases.extend([Fault::Reset, Fault::Close].map(|fault| (store, manifest, fault, 1)));
    }
    // The classic store tries a layer again by itself.
    cases.push((Store::Containerd, "/blobs/uploads/*?*digest=", Fault::ResetInBody, 1));
    let outcomes = each(cases, |world, repository| {
        let outcome = succeeded(step(world, &repository).run().unwrap());
        let held = world.held(&repository, "1").map(|(digest, _)| digest);
        (retries(&outcome), builds(&outcome), outcome.output("imageDigest") == held.as_deref())
    });
    for (name, outcome) in outcomes {
        assert_eq!(outcome, (1, 1, true), "{name}");
    }
}

#[test]
fn what_lasts_is_told_at_once() {
    let login = "check that user `***` of the service connection in `containerRegistry` has the right password and may \
                 push to `REGISTRY/APP`";
    let missing = "check the name in `repository`, and create `APP` on the registry if it makes no repositories by itself";
    let full = "free space on the registry or raise the quota of `APP`; layers that have arrived are not sent again by \
                the next run";
    let failed = "the push to registry `REGISTRY` failed";
    let refused = "registry `REGISTRY` refused the push";
    let says = |status, text: &str| Fault::Says(status, text.to_owned());
    let (containerd, classic) = (Store::Containerd, Store::Classic);
    let table = [
        (containerd, Fault::Status(401), refused, "error from registry: Unauthorized (by order)", login),
        (containerd, Fault::Status(403), refused, "error from registry: Forbidden (by order)", login),
        (containerd, Fault::Status(404), failed, "error from registry: Not Found (by order)", missing),
        (containerd, says(507, "no space left"), failed, "error from registry: no space left", full),
        (containerd, says(500, "no space left"), failed, "error from registry: no space left", full),
        (containerd, says(409, "it is immutable"), failed, "error from registry: it is immutable", ""),
        (classic, Fault::Status(401), refused, "unauthorized: Unauthorized (by order)", login),
        (classic, Fault::Status(403), refused, "denied: Forbidden (by order)", login),
        (classic, Fault::Status(404), failed, "unknown: Not Found (by order)", missing),
        // Of a server's fault the classic store tells the status alone. The agent masks the user's name `ci`.
        (
            classic,
            says(507, "no space left"),
            failed,
            "received unexpected HTTP status: 507 Insuffi***ent Storage",
            full,
        ),
        (classic, says(409, "it is immutable"), failed, "unknown: it is immutable", ""),
    ];
    let cases =
        table.iter().map(|(store, fault, ..)| (*store, "PUT /v2/*/manifests/1", fault.clone(), usize::MAX));
    let outcomes = each(cases.collect(), |world, repository| {
        let outcome = step(world, &repository).run().unwrap();
        (error(world, &repository, &outcome), retries(&outcome), outcome.output_variables.len())
    });
    for ((name, outcome), (.., message, cause, hint)) in outcomes.into_iter().zip(table) {
        let hint = if hint.is_empty() { String::new() } else { format!("\n\nhint: {hint}") };
        let expected = format!(
            "cannot push `REGISTRY/APP:1` (nothing is pushed)\n  caused by: {message}\n  caused by: {cause}{hint}"
        );
        assert_eq!(outcome, (expected, 0, 0), "{name}");
    }
}

#[test]
fn a_registry_that_stays_away_gets_four_attempts() {
    let cases = STORES.map(|store| (store, "PUT /v2/*/manifests/1", Fault::Status(503), usize::MAX));
    let outcomes = each(cases.into(), |world, repository| {
        let outcome = step(world, &repository).run().unwrap();
        let error = self::error(world, &repository, &outcome);
        (error, retries(&outcome), builds(&outcome))
    });
    for ((name, outcome), cause) in outcomes.into_iter().zip([
        "error from registry: Service Unavailable (by order)",
        "received unexpected HTTP status: 503 Service Unavailable",
    ]) {
        let error = format!(
            "cannot push `REGISTRY/APP:1` (nothing is pushed)\n  caused by: the push to registry `REGISTRY` failed (4 \
             attempts)\n  caused by: {cause}"
        );
        assert_eq!(outcome, (error, 3, 1), "{name}");
    }
}

#[test]
fn twenty_tags_of_which_the_eleventh_is_refused() {
    let cases = STORES.map(|store| (store, "PUT /v2/*/manifests/t11", Fault::Status(403), usize::MAX));
    let tags: Vec<_> = (1..=20).map(|number| format!("t{number}")).collect();
    let outcomes = each(cases.into(), |world, repository| {
        let outcome = step(world, &repository).input("tags", &tags.join("\n")).run().unwrap();
        let error = self::error(world, &repository, &outcome);
        let held: Vec<_> =
            tags.iter().filter(|tag| world.held(&repository, tag).is_some()).cloned().collect();
        (error.lines().next().unwrap().to_owned(), held)
    });
    let pushed: Vec<_> = tags[..10].iter().map(|tag| format!("REGISTRY/APP:{tag}")).collect();
    for (name, outcome) in outcomes {
        let error = format!("cannot push `REGISTRY/APP:t11` (pushed: {})", pushed.join(", "));
        assert_eq!(outcome, (error, tags[..10].to_vec()), "{name}");
    }
}

#[test]
fn a_tag_that_moves_between_push_and_reading() {
    for store in STORES {
        let (world, repository) = (World::new(store), unique("moves"));
        // Somebody else's image in the same repository.
        let other = succeeded(step(&world, &repository).input("tags", "other").run().unwrap());
        let (digest, config) = world.held(&repository, "other").unwrap();
        assert_eq!(other.output("imageDigest"), Some(digest.as_str()));

        // The reading waits, and meanwhile the tag goes to the other image.
        let path = format!("/v2/{repository}/manifests/1");
        world.registry.fault(&format!("GET {path}"), Fault::Delay(Duration::from_secs(2)), 1);
        let running = world
            .build_step(&format!("FROM feedbuild-test/base\nRUN echo {repository} >/mine\n"))
            .input("command", "buildAndPush")
            .input("containerRegistry", REGISTRY_ID)
            .input("repository", &repository)
            .input("tags", "1")
            .start()
            .unwrap();
        world.registry.wait_for(&format!("GET {path}"), 1, Duration::from_mins(1));
        world.move_tag(&repository, "1", "other");
        let outcome = running.wait().unwrap();
        let error = self::error(&world, &repository, &outcome);
        let found = if store == Store::Containerd {
            format!("manifest {digest}")
        } else {
            format!("config {config}")
        };
        let (before, after) = error.split_once(" instead of sha256:").unwrap();
        assert_eq!(
            before,
            format!(
                "cannot verify `REGISTRY/APP:1` (pushed: REGISTRY/APP:1)\n  caused by: the registry does not hold what \
                 was built: {found}"
            )
        );
        assert_eq!(
            &after[64..],
            "\n\nhint: somebody else may have pushed the same tag meanwhile; use a tag of this run alone, such as \
             `$(Build.BuildId)`"
        );
        assert_eq!(outcome.output_variables, []);
    }
}

#[test]
fn a_name_in_the_store_that_moves_between_our_tag_and_our_push() {
    for store in STORES {
        let (world, repository) = (World::new(store), unique("moves"));
        // All names are given before the first is pushed, and the reading of that one waits.
        let path = format!("GET /v2/{repository}/manifests/one");
        world.registry.fault(&path, Fault::Delay(Duration::from_secs(2)), 1);
        let running = step(&world, &repository).input("tags", "one,two").start().unwrap();
        world.registry.wait_for(&path, 1, Duration::from_mins(1));
        let two = format!("{}/{repository}:two", world.registry.host());
        world.docker(&["tag", "feedbuild-test/base", &two]);
        let outcome = running.wait().unwrap();
        let (digest, config) = world.held(&repository, "two").unwrap();
        let (built, built_config) = world.held(&repository, "one").unwrap();
        let (found, built) = match store {
            Store::Containerd => (format!("manifest {digest}"), built),
            Store::Classic => (format!("config {config}"), built_config),
        };
        assert_eq!(
            error(&world, &repository, &outcome),
            format!(
                "cannot verify `REGISTRY/APP:two` (pushed: REGISTRY/APP:one, REGISTRY/APP:two)\n  caused by: the registry \
                 does not hold what was built: {found} instead of {built}\n\nhint: somebody else may have pushed the same tag \
                 meanwhile; use a tag of this run alone, such as `$(Build.BuildId)`"
            )
        );
        assert_eq!(outcome.output_variables, []);
    }
}

#[test]
fn a_slow_registry_is_waited_for() {
    let cases = STORES.map(|store| (store, "/v2/", Fault::Delay(Duration::from_millis(300)), usize::MAX));
    let outcomes =
        each(cases.into(), |world, repository| retries(&succeeded(step(world, &repository).run().unwrap())));
    for (name, retries) in outcomes {
        assert_eq!(retries, 0, "{name}");
    }
}
