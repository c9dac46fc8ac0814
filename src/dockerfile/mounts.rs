//! The secrets that a Dockerfile mounts: every `RUN --mount=type=secret` in a stage that the target reaches.
//!
//! Rule: a mount that BuildKit would ask the client for is listed; an id that can't be resolved stays as written.
//!
//! What BuildKit does (`instructions/commands_runmount.go`, `dockerfile2llb/convert_secrets.go` and
//! `convert.go` under `frontend/dockerfile` of moby/buildkit, read at 73ed6825c):
//! - A mount is one CSV record of `key=value` fields; keys ignore case, the last of a key wins, `type` is
//!   `bind` unless given. Quotes and escapes of the flag itself are resolved before, those of a value after.
//! - `source` and `src` are other names of `id`; without any, the id is the last component of `target`
//!   (`dst`, `destination`). The file is `target`, else `/run/secrets/` and the id's last component; with
//!   `env` and no `target` there is no file.
//! - `required` stands alone or takes a boolean; without it a secret that nobody provides mounts nothing,
//!   silently.
//! - Variables are expanded in every value but `from`: `ENV` and `ARG` seen so far in the stage and in the
//!   stages that it is built from, and the base image's `ENV`, which isn't known here.
//! - A target names a stage by name alone, `COPY --from` by name or index, `--mount=from=` by name; a later
//!   stage hides an earlier one of the same name. `FROM` sees only earlier stages, and only `ARG`s from
//!   before the first `FROM`.
//! - `ONBUILD` of a stage runs in the stages built from it, before their own instructions; that of a base
//!   image isn't known here.
//!
//! `docker buildx build --call=outline` names the same ids, where the engine has the base images.
//!
//! Named contexts (`--build-context`) can replace a stage; they are not looked at.

use std::collections::BTreeMap;

use super::stage::Stages;

/// One `--mount=type=secret` of a `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretMount {
    /// The id that the client is asked for.
    pub id: String,
    /// Whether the build fails without the secret.
    pub required: bool,
    /// The environment variable that holds it.
    pub env: Option<String>,
    /// The file that holds it, where the Dockerfile names one.
    pub target: Option<String>,
    /// The line on which the `RUN` begins, from 1.
    pub line: usize,
    /// The stage's name, or `stage-N`.
    pub stage: String,
    /// Whether the `RUN` gives the file's content to an option that takes one URL, as `--index-url $(cat FILE)`.
    pub as_url: bool,
}

/// Every secret mount that a build of `target` (the last stage without one) reaches, in the order of the
/// stages, one per mount.
///
/// `build_args` are the values that the build gets. Without a `TARGETARCH` and the like among them these count
/// as unknown, and `FROM base-$TARGETARCH` as reaching every earlier stage.
pub fn secret_mounts(
    dockerfile: &str,
    target: Option<&str>,
    build_args: &BTreeMap<String, String>,
) -> anyhow::Result<Vec<SecretMount>> {
    let stages = Stages::parse(dockerfile, build_args)?;
    let mut found = Vec::new();
    for index in stages.reached(target)? {
        stages.walk(index, &mut |instruction, variables| {
            for fields in instruction.mounts() {
                let expanded =
                    |(key, value): (_, Option<String>)| (key, value.map(|v| stages.expand(&v, variables)));
                let fields = fields.into_iter().map(expanded).collect();
                let mount = secret_mount(&fields, instruction.line, &stages.display_name(index));
                found.extend(mount.map(|mount| SecretMount {
                    as_url: substitutes(&instruction.arguments, &mount),
                    ..mount
                }));
            }
        });
    }
    Ok(found)
}

/// `None` for another type, and for a secret that BuildKit refuses since nothing gives it an id.
fn secret_mount(
    fields: &BTreeMap<&'static str, Option<String>>,
    line: usize,
    stage: &str,
) -> Option<SecretMount> {
    let field = |key| fields.get(key).cloned().flatten();
    let filled = |key| field(key).filter(|value| !value.is_empty());
    if !field("type")?.eq_ignore_ascii_case("secret") {
        return None;
    }
    let target = filled("target");
    let id = filled("source")
        .or_else(|| filled("id"))
        .or_else(|| target.as_deref().map(base_name).map(str::to_owned))?;
    let required = match fields.get("required") {
        Some(Some(value)) => matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"),
        Some(None) => true,
        None => false,
    };
    let stage = stage.to_owned();
    Some(SecretMount { id, required, env: field("env"), target, line, stage, as_url: false })
}

/// Whether a command gives the mounted file to an option that takes one URL.
fn substitutes(command: &str, mount: &SecretMount) -> bool {
    let file = mount.target.clone().unwrap_or_else(|| format!("/run/secrets/{}", base_name(&mount.id)));
    ["$(cat ", "`cat ", "$(<", "$(< "].iter().any(|open| {
        command.match_indices(&format!("{open}{file}")).any(|(at, _)| {
            let before = command[..at].trim_end_matches(['"', '=', ' ']);
            before.ends_with("index-url") || before.ends_with(" -i")
        })
    })
}

/// Go's `path.Base`.
fn base_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/" } else { trimmed.rsplit('/').next().unwrap_or(trimmed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every mount as `line stage id`, with what else it has.
    fn outline(mounts: &[SecretMount]) -> Vec<String> {
        let show = |m: &SecretMount| {
            let mut text = format!("{} {} {}", m.line, m.stage, m.id);
            if m.required {
                text.push_str(" required");
            }
            for (name, value) in [("env", &m.env), ("target", &m.target)] {
                if let Some(value) = value {
                    text = format!("{text} {name}={value}");
                }
            }
            text
        };
        mounts.iter().map(show).collect()
    }

    fn mounts(dockerfile: &str, target: Option<&str>, build_args: &[(&str, &str)]) -> Vec<String> {
        let build_args =
            build_args.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        outline(&secret_mounts(dockerfile, target, &build_args).expect("the target is a stage"))
    }

    #[test]
    fn a_file_that_becomes_an_argument_is_noticed() {
        let table = [
            ("RUN --mount=type=secret,id=x pip install --extra-index-url $(cat /run/secrets/x)", true),
            ("RUN --mount=type=secret,id=x,target=/y pip install --extra-index-url \"$(cat /y)\"", true),
            ("RUN --mount=type=secret,id=x,target=/y pip install -i=`cat /y` z", true),
            ("RUN --mount=type=secret,id=x for u in $(cat /run/secrets/x); do wget $u; done", false),
            ("RUN --mount=type=secret,id=x,target=/y cat /y", false),
            ("RUN --mount=type=secret,id=x,env=X pip install", false),
        ];
        for (run, expected) in table {
            let mounts = secret_mounts(&format!("FROM a\n{run}\n"), None, &BTreeMap::new()).expect("a stage");
            assert_eq!(mounts[0].as_url, expected, "{run}");
        }
    }

    #[test]
    fn a_mount_is_given_whole() {
        let dockerfile = "FROM a AS Build\n\nRUN --mount=type=secret,id=x,env=X,target=/y,required make\n";
        assert_eq!(
            secret_mounts(dockerfile, None, &BTreeMap::new()).unwrap(),
            [SecretMount {
                id: "x".to_owned(),
                required: true,
                env: Some("X".to_owned()),
                target: Some("/y".to_owned()),
                line: 3,
                stage: "build".to_owned(),
                as_url: false,
            }]
        );
    }

    #[test]
    fn the_fields_of_a_mount_mean_what_they_mean_to_buildkit() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("id", "--mount=type=secret,id=x", &["2 stage-0 x"]),
            ("id after others", "--mount=required=true,id=x,type=secret", &["2 stage-0 x required"]),
            ("source is an id", "--mount=type=secret,source=x", &["2 stage-0 x"]),
            ("src is an id", "--mount=type=secret,src=x", &["2 stage-0 x"]),
            (
                "id from the target",
                "--mount=type=secret,target=/root/.netrc",
                &["2 stage-0 .netrc target=/root/.netrc"],
            ),
            ("id from dst", "--mount=type=secret,dst=a/b/", &["2 stage-0 b target=a/b/"]),
            (
                "last of a key wins",
                "--mount=type=secret,dst=/a,target=/b,id=x,id=y",
                &["2 stage-0 y target=/b"],
            ),
            ("keys and type in any case", "--mount=Type=SECRET,ID=X,Env=Y", &["2 stage-0 X env=Y"]),
            ("not required", "--mount=type=secret,id=x,required=false", &["2 stage-0 x"]),
            (
                "several mounts",
                "--mount=type=secret,id=x --mount=type=cache,target=/c --mount=type=secret,id=y",
                &["2 stage-0 x", "2 stage-0 y"],
            ),
            ("quotes around the flag's value", "--mount=\"type=secret,id=x\"", &["2 stage-0 x"]),
            ("quotes around the flag", "'--mount=type=secret,id=x'", &[]),
            ("quoted CSV field", r#"--mount=type=secret,\"id=x,y\""#, &["2 stage-0 x,y"]),
            ("no type", "--mount=id=x,target=/x", &[]),
            ("another type", "--mount=type=ssh,id=x", &[]),
            ("no id", "--mount=type=secret", &[]),
            ("flag of the command", "pip --mount=type=secret,id=x", &[]),
            ("another instruction's flag", "--network=none --mount=type=secret,id=x", &["2 stage-0 x"]),
        ];
        for (name, flags, expected) in cases {
            assert_eq!(mounts(&format!("FROM a\nRUN {flags} make"), None, &[]), *expected, "{name}");
        }
    }

    #[test]
    fn variables_are_replaced() {
        let cases: &[(&str, &str, &str)] = &[
            ("ARG default", "FROM a\nARG I=x\nRUN", "x"),
            ("build argument", "FROM a\nARG B=x\nRUN", "built"),
            ("build argument without default", "FROM a\nARG B\nRUN", "built"),
            ("not declared in the stage", "ARG I=x\nFROM a\nRUN", "literal"),
            ("global ARG", "ARG I=x\nFROM a\nARG I\nRUN", "x"),
            ("global ARG of a build argument", "ARG B=x\nARG I=$B\nFROM a\nARG I\nRUN", "built"),
            ("declared, no value", "FROM a\nARG I\nRUN", ""),
            ("declared again, no value", "FROM a\nARG I=x\nARG I\nRUN", "x"),
            ("several in one ARG", "FROM a\nARG J=x I=\"$J y\"\nRUN", "x y"),
            ("ENV", "FROM a\nENV I=x\nRUN", "x"),
            ("ENV of two words", "FROM a\nENV I x y\nRUN", "x y"),
            ("ENV sees what was before it", "FROM a\nENV J=x\nENV J=y I=$J\nRUN", "x"),
            ("ENV after", "FROM a\nRUN true\nRUN", "literal"),
            ("ENV of what the base image may set", "FROM a\nENV I=${OTHER}x\nRUN", "literal"),
            ("ENV of a stage below", "FROM a AS b\nENV I=x\nFROM b\nRUN", "x"),
            ("ARG of a stage below", "FROM a AS b\nARG I=x\nFROM b\nRUN", "x"),
            ("not of another stage", "FROM a AS b\nARG I=x\nFROM a\nCOPY --from=b / /\nRUN", "literal"),
            ("built-in", "FROM a\nARG TARGETARCH\nENV I=$TARGETARCH\nRUN", "literal"),
        ];
        for (name, head, value) in cases {
            // `$I`, or `$B` where the case declares only that.
            let variable = if head.contains("ARG B") && !head.contains("I=") { "B" } else { "I" };
            let found =
                mounts(&format!("{head} --mount=type=secret,id=_${variable} make"), None, &[("B", "built")]);
            let id = if *value == "literal" { format!("_${variable}") } else { format!("_{value}") };
            let ids: Vec<_> =
                found.iter().map(|mount| mount.splitn(3, ' ').nth(2).unwrap_or_default()).collect();
            assert_eq!(ids, [id], "{name}");
        }
    }

    #[test]
    fn only_stages_that_the_target_reaches_count() {
        let run = |id: &str| format!("RUN --mount=type=secret,id={id} make\n");
        let chain = format!(
            "ARG BASE=two\nFROM a AS one\n{}FROM one AS two\n{}FROM a AS Three\n{}FROM a AS four\n{}",
            run("1"),
            run("2"),
            run("3"),
            run("4")
        );
        let cases: &[(&str, &str, Option<&str>, &[&str])] = &[
            ("last stage", "", None, &["4"]),
            ("empty target is none", "", Some(""), &["4"]),
            ("named target", "", Some("two"), &["1", "2"]),
            ("named in any case", "", Some("THREE"), &["3"]),
            ("COPY by name", "COPY --from=Two a b\n", None, &["1", "2", "4"]),
            ("COPY by index", "COPY --chown=x --from=0 a b\n", None, &["1", "4"]),
            ("COPY by index that isn't there", "COPY --from=9 a b\n", None, &["4"]),
            ("COPY from an image", "COPY --from=nginx a b\n", None, &["4"]),
            ("mount by name", "RUN --mount=from=three,target=/x make\n", None, &["3", "4"]),
            ("mount of a number is an image", "RUN --mount=from=0,target=/x make\n", None, &["4"]),
            ("FROM a variable", "FROM ${BASE}\n", None, &["1", "2"]),
            ("FROM with a platform", "FROM --platform=$BUILDPLATFORM \"two\" AS x\n", None, &["1", "2"]),
            ("FROM a default", "FROM ${NONE:-three}\n", None, &["3"]),
            ("FROM what only the build knows", "FROM two-$TARGETARCH\n", None, &["1", "2", "3", "4"]),
            ("FROM an image of the stage's own name", "FROM nginx AS nginx\n", None, &[]),
            ("name used again", "FROM a AS one\nFROM one\n", None, &[]),
        ];
        for (name, tail, target, expected) in cases {
            let found = mounts(&format!("{chain}{tail}"), *target, &[]);
            let ids: Vec<_> = found.iter().filter_map(|mount| mount.split(' ').nth(2)).collect();
            assert_eq!(ids, *expected, "{name}");
        }
        assert_eq!(mounts(&format!("{chain}FROM $BASE\n"), None, &[("BASE", "three")]), ["7 three 3"]);
        let arch =
            format!("FROM a AS x-arm64\n{}FROM a AS x-amd64\n{}FROM x-$TARGETARCH\n", run("arm"), run("amd"));
        assert_eq!(mounts(&arch, None, &[("TARGETARCH", "amd64")]), ["4 x-amd64 amd"]);
    }

    #[test]
    fn triggers_run_in_the_stages_built_from_theirs() {
        let dockerfile =
            "FROM a AS base\nONBUILD RUN --mount=type=secret,id=x make\nFROM base AS child\nFROM child\n";
        assert_eq!(mounts(dockerfile, Some("base"), &[]), [""; 0]);
        assert_eq!(mounts(dockerfile, None, &[]), ["2 child x"]);
    }

    #[test]
    fn the_article_mounts_one() {
        let dockerfile = "FROM python:3.12-slim\nCOPY requirements.txt /tmp/\n\
            RUN --mount=type=secret,id=PIP_EXTRA_URL \\\n    pip install -r /tmp/requirements.txt \
            --extra-index-url $(cat /run/secrets/PIP_EXTRA_URL)\nRUN mkdir /app\nCOPY . /app\n";
        assert_eq!(mounts(dockerfile, None, &[]), ["3 stage-0 PIP_EXTRA_URL"]);
    }

    #[test]
    fn errors_say_what_to_write() {
        let cases: &[(&str, &str, &str)] = &[
            (
                "unknown target",
                "FROM a AS one\nFROM a AS two\n",
                "`target: prod` is no stage of the Dockerfile\n\nhint: the Dockerfile's named stages: `one`, `two`",
            ),
            (
                "no named stage",
                "FROM a\n",
                "`target: prod` is no stage of the Dockerfile\n\nhint: give the stage a name in the Dockerfile: \
                 `FROM … AS prod`",
            ),
            ("no stage", "# nothing\n", "the Dockerfile has no `FROM`"),
        ];
        for (name, dockerfile, expected) in cases {
            let error = secret_mounts(dockerfile, Some("prod"), &BTreeMap::new()).expect_err(name);
            assert_eq!(crate::error::render(&error), *expected, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_dockerfile_is_read(lines in proptest::collection::vec(
            "(FROM [ab$] AS [ab]|FROM \\$\\{?[AB]|(ONBUILD )?RUN --mount=([a-z]{2,4}=[ab$,\"/]{0,3},?){0,4}\
             |COPY --from=[ab0-9] . .|ARG [AB](=[ab$]*)?|ENV [AB][ =][ab\"$]*|.{0,20})", 0..12),
            target in proptest::option::of("[ab]"),
        ) {
            let _ = secret_mounts(&lines.join("\n"), target.as_deref(), &BTreeMap::new());
        }
    }
}
