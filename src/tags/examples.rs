//! The documented examples of docker/metadata-action (its README at dc80280), one by one, each with the variables that
//! say in a pipeline what the event and the ref say in a workflow:
//!
//! | there | here |
//! |---|---|
//! | `push` of `refs/heads/…` or `refs/tags/…` | `Build.Reason` `IndividualCI`, the same `Build.SourceBranch` |
//! | `pull_request`, `refs/pull/2/merge` | `Build.Reason` `PullRequest`, the same `Build.SourceBranch`, and `System.PullRequest.TargetBranch` |
//! | `workflow_dispatch` | `Build.Reason` `Manual` |
//! | `schedule` | `Build.Reason` `Schedule` |
//!
//! The default branch is `master` and the time 2020-01-10 00:30 UTC, as in that action's own tests.

use jiff::Timestamp;

use super::*;
use crate::agent::env::Env;
use crate::error::render;

const SHA: &str = "90dd6032fac8bda1b6c4436a2e65de27961ed071";

fn run(reference: &str, more: &[(&str, &str)]) -> Run {
    let reason = if reference.starts_with("refs/pull/") { "PullRequest" } else { "IndividualCI" };
    let mut variables = vec![
        ("BUILD_SOURCEBRANCH", reference),
        ("BUILD_SOURCEVERSION", SHA),
        ("BUILD_REASON", reason),
        ("SYSTEM_PULLREQUEST_TARGETBRANCH", "refs/heads/master"),
    ];
    variables.extend_from_slice(more);
    let env = Env::from_iter(variables);
    Run::from_env(&env, Some("master"), "2020-01-10T00:30:00Z".parse().unwrap()).unwrap()
}

fn tagging(tags: &str, flavor: &str, run: &Run) -> anyhow::Result<Tagging> {
    Rules::parse(tags, flavor)?.apply(run)
}

/// The tags, with commas between.
fn tags_of(tags: &str, flavor: &str, run: &Run) -> String {
    match tagging(tags, flavor, run) {
        Ok(tagging) => tagging.tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(", "),
        Err(error) => render(&error),
    }
}

#[test]
fn basic() {
    // The action's rules if it is given none.
    let rules = "type=schedule\ntype=ref,event=branch\ntype=ref,event=tag\ntype=ref,event=pr";
    let table = [
        ("refs/pull/2/merge", "pr-2"),
        ("refs/heads/master", "master"),
        ("refs/heads/releases/v1", "releases-v1"),
        ("refs/tags/v1.2.3", "v1.2.3, latest"),
        ("refs/tags/v2.0.8-beta.67", "v2.0.8-beta.67, latest"),
    ];
    for (reference, tags) in table {
        assert_eq!(tags_of(rules, "", &run(reference, &[])), tags, "{reference}");
    }
    assert_eq!(tags_of(rules, "", &run("refs/heads/master", &[("BUILD_REASON", "Manual")])), "master");
}

#[test]
fn semver_beside_refs() {
    let rules = "type=ref,event=branch\ntype=ref,event=pr\ntype=semver,pattern={{version}}\n\
                 type=semver,pattern={{major}}.{{minor}}";
    let table = [
        ("refs/pull/2/merge", "pr-2"),
        ("refs/heads/master", "master"),
        ("refs/heads/releases/v1", "releases-v1"),
        ("refs/tags/v1.2.3", "1.2.3, 1.2, latest"),
        ("refs/tags/v2.0.8-beta.67", "2.0.8-beta.67"),
    ];
    for (reference, tags) in table {
        assert_eq!(tags_of(rules, "", &run(reference, &[])), tags, "{reference}");
    }
    let with_sha = format!("{rules}\ntype=sha");
    assert_eq!(tags_of(&with_sha, "", &run("refs/tags/v1.2.3", &[])), "1.2.3, 1.2, sha-90dd603, latest");
}

#[test]
fn schedule() {
    let scheduled = run("refs/heads/master", &[("BUILD_REASON", "Schedule")]);
    let table = [
        ("type=schedule", "nightly"),
        ("type=schedule,pattern=nightly", "nightly"),
        ("type=schedule,pattern={{date 'YYYYMMDD'}}", "20200110"),
        ("type=schedule,pattern={{date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}", "20200110-093000"),
        ("type=schedule,enable=true,priority=1000,prefix=,suffix=,pattern=nightly", "nightly"),
    ];
    for (rule, tags) in table {
        assert_eq!(tags_of(rule, "", &scheduled), tags, "{rule}");
        assert_eq!(tags_of(rule, "", &run("refs/heads/master", &[])), "", "{rule}");
    }
}

#[test]
fn semver() {
    let table = [
        ("v1.2.3", "{{raw}}", "v1.2.3, latest"),
        ("v1.2.3", "{{version}}", "1.2.3, latest"),
        ("v1.2.3", "{{major}}.{{minor}}", "1.2, latest"),
        ("v1.2.3", "v{{major}}", "v1, latest"),
        ("v1.2.3", "{{minor}}", "2, latest"),
        ("v1.2.3", "{{patch}}", "3, latest"),
        ("p1/v1.2.3", r"{{version}},match=v(\d.\d.\d)$", "1.2.3, latest"),
        ("v2.0.8-beta.67", "{{raw}}", "v2.0.8-beta.67"),
        ("v2.0.8-beta.67", "{{version}}", "2.0.8-beta.67"),
        ("v2.0.8-beta.67", "{{major}}", "2.0.8-beta.67"),
        ("v2.0.8-beta.67", "{{major}}.{{minor}}", "2.0.8-beta.67"),
    ];
    for (tag, pattern, tags) in table {
        let rule = format!("type=semver,pattern={pattern}");
        assert_eq!(tags_of(&rule, "", &run(&format!("refs/tags/{tag}"), &[])), tags, "{tag}: {rule}");
    }
    let branch = run("refs/heads/master", &[]);
    for rule in [
        "type=semver,pattern={{version}},value=v1.0.0",
        r"type=semver,pattern={{version}},value=p1/v1.0.0,match=v(\d.\d.\d)$",
    ] {
        assert_eq!(tags_of(rule, "", &branch), "1.0.0, latest", "{rule}");
    }
    assert_eq!(
        tags_of("type=semver,enable=true,priority=900,prefix=,suffix=,pattern=,value=,match=", "", &branch),
        ""
    );
}

#[test]
fn pep440() {
    let table = [
        ("1.2.3", "{{raw}}", "1.2.3, latest"),
        ("1.2.3", "{{version}}", "1.2.3, latest"),
        ("v1.2.3", "{{version}}", "1.2.3, latest"),
        ("1.2.3", "{{major}}.{{minor}}", "1.2, latest"),
        ("1.2.3", "v{{major}}", "v1, latest"),
        ("v1.2.3rc2", "{{raw}}", "v1.2.3rc2"),
        ("1.2.3rc2", "{{version}}", "1.2.3rc2"),
        ("p1/v1.2.3", r"{{version}},match=v(\d.\d.\d)$", "1.2.3, latest"),
        ("1.2.3rc2", "{{major}}.{{minor}}", "1.2.3rc2"),
        ("1.2.3post1", "{{major}}.{{minor}}", "1.2.3.post1"),
        ("1.2.3beta2", "{{major}}.{{minor}}", "1.2.3b2"),
        ("1.0dev4", "{{major}}.{{minor}}", "1.0.dev4"),
    ];
    for (tag, pattern, tags) in table {
        let rule = format!("type=pep440,pattern={pattern}");
        assert_eq!(tags_of(&rule, "", &run(&format!("refs/tags/{tag}"), &[])), tags, "{tag}: {rule}");
    }
    let branch = run("refs/heads/master", &[]);
    for rule in [
        "type=pep440,pattern={{version}},value=1.0.0",
        r"type=pep440,pattern={{version}},value=p1/v1.0.0,match=v(\d.\d.\d)$",
    ] {
        assert_eq!(tags_of(rule, "", &branch), "1.0.0, latest", "{rule}");
    }
}

#[test]
fn regular_expressions() {
    let table = [
        ("v1.2.3", r"\d.\d.\d", "0", "1.2.3, latest"),
        ("v2.0.8-beta.67", "v(.*)", "1", "2.0.8-beta.67, latest"),
        ("v2.0.8-beta.67", r"v(\d.\d)", "1", "2.0, latest"),
        ("20200110-RC2", r"\d+", "0", "20200110, latest"),
        ("p1/v1.2.3", r"p1/v(\d.\d.\d)", "1", "1.2.3, latest"),
    ];
    for (tag, pattern, group, tags) in table {
        let rule = format!("type=match,pattern={pattern},group={group}");
        assert_eq!(tags_of(&rule, "", &run(&format!("refs/tags/{tag}"), &[])), tags, "{tag}: {rule}");
    }
    let branch = run("refs/heads/master", &[]);
    assert_eq!(tags_of("type=match,pattern=v(.*),group=1,value=v1.0.0", "", &branch), "1.0.0, latest");
    assert_eq!(tags_of("type=match,pattern=/V(.*)/i,group=1,value=v1.0.0", "", &branch), "1.0.0, latest");
    assert_eq!(tags_of(r#"type=match,"pattern=\d{1,3}",value=v1.0.0"#, "", &branch), "1, latest");
}

#[test]
fn edge() {
    let (master, other) = (run("refs/heads/master", &[]), run("refs/heads/main", &[]));
    for (rule, run, tags) in [
        ("type=edge", &master, "edge"),
        ("type=edge", &other, ""),
        ("type=edge,branch=main", &other, "edge"),
        ("type=edge,branch=main", &master, ""),
        ("type=edge,enable=true,priority=700,prefix=,suffix=,branch=main", &other, "edge"),
    ] {
        assert_eq!(tags_of(rule, "", run), tags, "{rule}");
    }
}

#[test]
fn refs() {
    let rules = "# branch event\ntype=ref,event=branch\n# tag event\ntype=ref,event=tag\n# pull request event\ntype=ref,event=pr";
    let full = "type=ref,enable=true,priority=600,prefix=,suffix=,event=branch\n\
                type=ref,enable=true,priority=600,prefix=,suffix=,event=tag\n\
                type=ref,enable=true,priority=600,prefix=pr-,suffix=,event=pr";
    let table = [
        ("refs/pull/2/merge", "pr-2"),
        ("refs/heads/master", "master"),
        ("refs/heads/my/branch", "my-branch"),
        ("refs/tags/v1.2.3", "v1.2.3, latest"),
        ("refs/tags/v2.0.8-beta.67", "v2.0.8-beta.67, latest"),
        // TFVC has no such names.
        ("$/project/main", ""),
    ];
    for (reference, tags) in table {
        assert_eq!(tags_of(rules, "", &run(reference, &[])), tags, "{reference}");
        assert_eq!(tags_of(full, "", &run(reference, &[])), tags, "{reference}");
    }
}

#[test]
fn raw() {
    let master = run("refs/heads/master", &[]);
    for rules in
        ["type=raw,value=foo\ntype=raw,value=bar", "type=raw,foo\ntype=raw,bar", "foo\nbar", "foo,bar"]
    {
        assert_eq!(tags_of(rules, "", &master), "foo, bar", "{rules}");
    }
    assert_eq!(tags_of("type=raw,enable=true,priority=200,prefix=,suffix=,value=", "", &master), "");
    let latest = "type=raw,value=latest,enable={{is_default_branch}}";
    assert_eq!(tags_of(latest, "", &master), "latest");
    assert_eq!(tags_of(latest, "", &run("refs/heads/dev", &[])), "");
    // As an expression of a template renders it: `enable=${{ eq(…) }}`.
    assert_eq!(tags_of("type=raw,value=latest,enable=True", "", &master), "latest");
    assert_eq!(tags_of("type=raw,value=latest,enable=False", "", &master), "");
}

#[test]
fn sha() {
    let master = run("refs/heads/master", &[]);
    assert_eq!(tags_of("type=sha", "", &master), "sha-90dd603");
    assert_eq!(tags_of("type=sha,format=long", "", &master), format!("sha-{SHA}"));
    assert_eq!(
        tags_of("type=sha,enable=true,priority=100,prefix=sha-,suffix=,format=short", "", &master),
        "sha-90dd603"
    );
    let longer = run("refs/heads/master", &[("DOCKER_METADATA_SHORT_SHA_LENGTH", "12")]);
    assert_eq!(tags_of("type=sha", "", &longer), "sha-90dd6032fac8");
    let head = [
        ("DOCKER_METADATA_PR_HEAD_SHA", "true"),
        ("SYSTEM_PULLREQUEST_SOURCECOMMITID", "3370e228f2209994d57af4427fe64e71bb79ac96"),
    ];
    assert_eq!(tags_of("type=sha", "", &run("refs/pull/2/merge", &head)), "sha-3370e22");
    assert_eq!(tags_of("type=sha", "", &run("refs/pull/2/merge", &head[1..])), "sha-90dd603");
}

#[test]
fn flavor() {
    let tag = run("refs/tags/v1.1.1", &[]);
    let rule = "type=semver,pattern={{version}}";
    let table = [
        ("latest=auto\nprefix=\nsuffix=", "1.1.1, latest"),
        ("latest=false", "1.1.1"),
        ("prefix=foo-", "foo-1.1.1, latest"),
        ("suffix=-dev,onlatest=true", "1.1.1-dev, latest-dev"),
        ("prefix=foo-,onlatest=true\nsuffix=-dev,onlatest=true", "foo-1.1.1-dev, foo-latest-dev"),
        ("prefix=foo-,onlatest=false\nsuffix=-dev", "foo-1.1.1-dev, latest"),
    ];
    for (flavor, tags) in table {
        assert_eq!(tags_of(rule, flavor, &tag), tags, "{flavor}");
    }
    assert_eq!(tags_of("type=sha", "latest=true", &tag), "sha-90dd603, latest");
    assert_eq!(tags_of("1.0", "latest=true\nsuffix=-dev", &tag), "1.0-dev, latest");
    assert_eq!(tags_of("type=ref,event=branch", "latest=true", &tag), "", "`latest` never stands alone");
}

#[test]
fn priorities() {
    let master = run("refs/heads/master", &[("BUILD_REASON", "Schedule")]);
    let rules = "type=sha\nplain\ntype=raw,value=raw\ntype=ref,event=branch\ntype=edge\n\
                 type=match,pattern=.*,value=match\ntype=semver,pattern={{version}},value=1.0.0\ntype=schedule";
    // `latest` goes by the rule that comes first.
    assert_eq!(tags_of(rules, "", &master), "nightly, 1.0.0, match, edge, master, plain, raw, sha-90dd603");
    assert_eq!(
        tags_of("type=sha,priority=2000\ntype=ref,event=branch\nmaster", "", &master),
        "sha-90dd603, master",
        "and each tag is there once"
    );
}

#[test]
fn global_expressions() {
    let pull_request = run("refs/pull/2/merge", &[]);
    let (master, branch) = (run("refs/heads/master", &[]), run("refs/heads/my/branch", &[]));
    let tag = run("refs/tags/v1.2.3", &[]);
    let table = [
        ("{{branch}}", ["x-", "x-master", "x-my-branch", "x-"]),
        ("{{tag}}", ["x-", "x-", "x-", "x-v1.2.3"]),
        ("{{sha}}", ["x-90dd603", "x-90dd603", "x-90dd603", "x-90dd603"]),
        // For a tag a workflow may know the branch that it was pushed from; a pipeline does not.
        ("{{base_ref}}", ["x-master", "x-", "x-", "x-"]),
        ("{{is_default_branch}}", ["x-false", "x-true", "x-false", "x-false"]),
        ("{{is_not_default_branch}}", ["x-true", "x-false", "x-true", "x-true"]),
        ("{{{branch}}}", ["x-", "x-master", "x-my-branch", "x-"]),
    ];
    for (expression, expected) in table {
        let rule = format!("type=raw,value=x-{expression}");
        let tags = [&pull_request, &master, &branch, &tag].map(|run| tags_of(&rule, "", run));
        assert_eq!(tags, expected, "{expression}");
    }
    assert_eq!(tags_of("type=sha,prefix={{branch}}-", "", &master), "master-90dd603");
    assert_eq!(tags_of("type=raw,value=mytag-{{branch}}-{{sha}}", "", &master), "mytag-master-90dd603");
    let of_github = run("refs/pull/2/merge", &[("SYSTEM_PULLREQUEST_TARGETBRANCH", "master")]);
    assert_eq!(tags_of("type=raw,value={{base_ref}}", "", &of_github), "master");
}

#[test]
fn dates() {
    let committed = run("refs/heads/master", &[]).committed_at("2020-01-09T15:25:50Z".parse().unwrap());
    let unknown = run("refs/heads/master", &[]);
    let table = [
        ("{{date 'YYYYMMDD'}}", "20200110", "20200110"),
        ("{{commit_date 'YYYYMMDD'}}", "20200109", "20200110"),
        (
            r#""value={{date 'dddd, MMMM Do YYYY, h:mm:ss a'}}""#,
            "Friday-January-10th-2020-12-30-00-am",
            "Friday-January-10th-2020-12-30-00-am",
        ),
        ("{{date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}", "20200110-093000", "20200110-093000"),
        ("{{commit_date 'YYYYMMDD-HHmmss' tz='Asia/Tokyo'}}", "20200110-002550", "20200110-093000"),
    ];
    for (value, known, else_today) in table {
        let rule = format!("type=raw,{value}");
        assert_eq!(tags_of(&rule, "", &committed), known, "{rule}");
        assert_eq!(tags_of(&rule, "", &unknown), else_today, "{rule}");
    }
}

#[test]
fn names_are_sanitised() {
    let table = [
        ("refs/heads/my/feature#1245", "my-feature-1245"),
        ("refs/heads/a//b&&c=d", "a-b-c-d"),
        ("refs/heads/Ärger-_.x", "-rger-_.x"),
    ];
    for (reference, tag) in table {
        let rule = "type=ref,event=branch,prefix=x";
        assert_eq!(tags_of(rule, "", &run(reference, &[])), format!("x{tag}"), "{reference}");
    }
}

#[test]
fn what_fits_no_run_is_told() {
    let told = |rules: &str, reference: &str| tagging(rules, "", &run(reference, &[])).unwrap().warnings;
    let both = "type=semver,pattern={{version}}\ntype=semver,pattern={{major}}";
    assert_eq!(
        told(both, "refs/tags/release1"),
        ["`release1` is no semantic version and gives no tag (https://semver.org)"]
    );
    assert_eq!(
        told("type=pep440,pattern={{version}}", "refs/tags/x/y"),
        ["`x/y` is no version of Python's and gives no tag (https://peps.python.org/pep-0440)"]
    );
    assert_eq!(
        told(r"type=match,pattern=\d.\d", "refs/tags/sometag"),
        [r"`\d.\d` in `tags` does not match `sometag`"]
    );
    assert_eq!(
        told("type=match,pattern=v(.*),group=3", "refs/tags/v1"),
        ["group 3 of `v(.*)` in `tags` takes nothing of `v1`"]
    );
    assert_eq!(
        told("type=semver,pattern={{version}},match=x(.*)", "refs/tags/v1.0.0"),
        ["`x(.*)` in `tags` does not match `v1.0.0`"],
        "and the whole is looked at"
    );
}

#[test]
fn what_cannot_be_a_tag_is_an_error() {
    let long = format!("refs/heads/{}", "x".repeat(130));
    let cases = [
        (
            "type=raw,value={{base_ref}}-foo",
            "refs/heads/master",
            "`-foo` is none",
            "a tag begins with a letter, a digit or `_`: put one before it, e.g. by `prefix=v`",
        ),
        (
            "type=ref,event=branch",
            long.as_str(),
            &format!("`{}` is none", &long[11..]),
            "a tag has at most 128 characters: use a shorter text, e.g. `type=sha`",
        ),
        (
            "type=sha,enable={{branch}}",
            "refs/heads/master",
            "`enable` is `master`",
            "it has to come to `true` or `false`, e.g. `enable={{is_default_branch}}` or \
             `enable=${{ eq(variables['Build.SourceBranch'], 'refs/heads/main') }}`",
        ),
    ];
    for (rule, reference, cause, hint) in cases {
        let expected =
            format!("rule `{rule}` in `tags` gives no image tag\n  caused by: {cause}\n\nhint: {hint}");
        assert_eq!(tags_of(rule, "", &run(reference, &[])), expected);
    }
}

#[test]
fn the_default_branch_has_to_be_named() {
    let env = Env::from_iter([("BUILD_SOURCEBRANCH", "refs/pull/2/merge"), ("BUILD_SOURCEVERSION", SHA)]);
    let run = Run::from_env(&env, None, Timestamp::UNIX_EPOCH).unwrap();
    for rule in ["type=edge", "type=raw,value=latest,enable={{is_default_branch}}"] {
        assert_eq!(
            tags_of(rule, "", &run),
            format!(
                "rule `{rule}` in `tags` gives no image tag\n  caused by: the default branch is not known: Azure Pipelines \
                 tells it to no task\n\nhint: name it by the input `defaultBranch`, e.g. `defaultBranch: main`"
            )
        );
    }
    assert_eq!(tags_of("type=edge,branch=main\ntype=sha", "", &run), "sha-90dd603");
}

/// Each block of `docs/tags.md` with the table below it.
#[test]
fn the_documented_examples() {
    let docs = include_str!("../../docs/tags.md");
    let mut examples = 0;
    for block in docs.split("```yaml\n").skip(1) {
        let (yaml, rest) = block.split_once("```").unwrap();
        let inputs: std::collections::BTreeMap<String, String> = serde_yaml_ng::from_str(yaml).unwrap();
        let rows = rest
            .lines()
            .skip_while(|line| !line.starts_with("|---"))
            .skip(1)
            .take_while(|line| line.starts_with('|'));
        for row in rows {
            let quoted =
                |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
            let cells: Vec<&str> = row.split('|').collect();
            let reason = if cells[1].contains(", scheduled") { "Schedule" } else { "IndividualCI" };
            let variables = [
                ("BUILD_SOURCEBRANCH", quoted(cells[1])[0].clone()),
                ("BUILD_SOURCEVERSION", SHA.to_owned()),
                ("BUILD_REASON", reason.to_owned()),
            ];
            let run = Run::from_env(
                &Env::from_iter(variables),
                Some("main"),
                "2026-01-10T00:30:00Z".parse().unwrap(),
            );
            let flavor = inputs.get("flavor").map_or("", String::as_str);
            assert_eq!(
                tags_of(&inputs["tags"], flavor, &run.unwrap()),
                quoted(cells[2]).join(", "),
                "{yaml}{row}"
            );
            examples += 1;
        }
    }
    assert_eq!(examples, 21, "examples in docs/tags.md");
}
