//! The options of the build: docker/build-push-action's inputs in camel case, and the same options as flags in
//! `arguments`.
//!
//! Rule: both mean the same. Values of a list add up, those of the input first; an option that has one value may be
//! given in both places only if they agree.

use std::path::Path;

use super::env::check_expanded;
use super::list;
use super::reader::{Reader, unknown_value};
use crate::buildx::attestation::{Attestations, boolean};
use crate::buildx::cache::Cache;
use crate::buildx::context::is_remote;
use crate::buildx::options::{BuildOptions, SourceDateEpoch};
use crate::buildx::output::Outputs;
use crate::error::hinted;

/// Both places.
pub(super) struct Given<'g, 'a> {
    /// The inputs.
    pub(super) reader: &'g mut Reader<'a>,
    /// Flags by their long names, with values.
    pub(super) flags: &'g [(String, String)],
    /// Where relative paths begin.
    pub(super) root: &'g Path,
    /// Whether the step pushes.
    pub(super) pushes: bool,
}

/// A value and where it stands.
type Value = (String, String);

impl Given<'_, '_> {
    /// Parses all of them; `forwarded` are the flags that have no input.
    pub(super) fn parse(mut self, forwarded: Vec<String>) -> anyhow::Result<BuildOptions> {
        // Another builder than the one that is meant would be a surprise.
        self.reader.env.strict_input("builder")?;
        let provenance = self.one("provenance", "provenance")?;
        let sbom = self.one("sbom", "sbom")?;
        Ok(BuildOptions {
            add_hosts: self.words("add-host", "addHosts")?,
            allow: self.words("allow", "allow")?,
            annotations: self.pairs("annotation", "annotations")?,
            attestations: Attestations::parse(
                provenance.as_deref(),
                sbom.as_deref(),
                &self.lines("attest", "attests")?,
            )?,
            build_args: self.pairs("build-arg", "buildArgs")?,
            build_contexts: self.build_contexts()?,
            builder: self.one("builder", "builder")?,
            cache_from: self.caches("cache-from", "cacheFrom")?,
            cache_to: self.caches("cache-to", "cacheTo")?,
            call: self.call()?,
            cgroup_parent: self.one("cgroup-parent", "cgroupParent")?,
            labels: self.pairs("label", "labels")?,
            load: self.switch("load", "load")?,
            network: self.one("network", "network")?,
            no_cache: self.switch("no-cache", "noCache")?,
            no_cache_filters: self.words("no-cache-filter", "noCacheFilters")?,
            outputs: self.outputs()?,
            platforms: self.words("platform", "platforms")?,
            pull: self.switch("pull", "pull")?,
            shm_size: self.one("shm-size", "shmSize")?,
            source_date_epoch: self.source_date_epoch()?,
            ssh: self.ssh()?,
            target: self.one("target", "target")?,
            ulimits: texts(self.lines("ulimit", "ulimit")?),
            forwarded,
        })
    }

    fn flags(&self, flag: &str) -> impl Iterator<Item = Value> {
        let at = format!("input `arguments`: `--{flag}`");
        self.flags
            .iter()
            .filter(move |(name, _)| name == flag)
            .map(move |(_, value)| (at.clone(), value.clone()))
    }

    fn input(&mut self, input: &str) -> anyhow::Result<Vec<Value>> {
        let text = self.reader.lenient(input).unwrap_or_default();
        let at = format!("input `{input}`");
        Ok(list::lines(input, text)?.into_iter().map(|value| (at.clone(), value)).collect())
    }

    /// A list whose values may hold anything, so that only a whole one can be a macro that was left.
    fn pairs(&mut self, flag: &str, input: &str) -> anyhow::Result<Vec<String>> {
        let mut values = texts(self.input(input)?);
        values.extend(self.flags(flag).map(|(_, value)| value));
        let what = match flag {
            "build-arg" => "build argument",
            what => what,
        };
        values.retain(|value| self.reader.has_value(what, value));
        Ok(values)
    }

    fn lines(&mut self, flag: &str, input: &str) -> anyhow::Result<Vec<Value>> {
        let mut values = self.input(input)?;
        values.extend(self.flags(flag));
        expanded(values)
    }

    fn words(&mut self, flag: &str, input: &str) -> anyhow::Result<Vec<String>> {
        let at = format!("input `{input}`");
        let text = self.reader.lenient(input).unwrap_or_default();
        let mut values: Vec<Value> = list::words(text).into_iter().map(|word| (at.clone(), word)).collect();
        for (at, value) in self.flags(flag) {
            values.extend(list::words(&value).into_iter().map(|word| (at.clone(), word)));
        }
        Ok(texts(expanded(values)?))
    }

    /// An option with one value: the last flag counts, as for docker, unless the input says otherwise.
    fn one(&mut self, flag: &str, input: &str) -> anyhow::Result<Option<String>> {
        let of_input = self.reader.lenient(input).map(str::to_owned);
        if let Some(value) = &of_input {
            check_expanded(&format!("input `{input}`"), value)?;
        }
        let Some((at, of_flag)) = self.flags(flag).last() else { return Ok(of_input) };
        check_expanded(&at, &of_flag)?;
        match of_input {
            Some(value) if value != of_flag => Err(hinted(
                format!("input `{input}` is `{value}`, but `arguments` has `--{flag} {of_flag}`"),
                format!("remove one of them, e.g. `--{flag}` from `arguments`"),
            )),
            _ => Ok(Some(of_flag)),
        }
    }

    fn switch(&mut self, flag: &str, input: &str) -> anyhow::Result<bool> {
        Ok(self.reader.boolean(input)? | self.switch_flag(flag)?)
    }

    fn switch_flag(&self, flag: &str) -> anyhow::Result<bool> {
        let Some((at, value)) = self.flags(flag).last() else { return Ok(false) };
        boolean(&value).ok_or_else(|| {
            hinted(format!("{at} does not know `{value}`"), format!("write `--{flag}`, or leave it out"))
        })
    }

    fn caches(&mut self, flag: &str, input: &str) -> anyhow::Result<Vec<Cache>> {
        let mut caches = Vec::new();
        for (at, value) in self.lines(flag, input)? {
            caches.extend(Cache::parse(&at, &value, self.root)?);
        }
        Ok(caches)
    }

    fn outputs(&mut self) -> anyhow::Result<Outputs> {
        let mut outputs = Outputs::default();
        for (at, value) in self.lines("output", "outputs")? {
            outputs.add(&at, &value, self.root, self.pushes)?;
        }
        if self.switch_flag("push")? {
            outputs.add("input `arguments`: `--push`", "type=registry", self.root, self.pushes)?;
        }
        Ok(outputs)
    }

    fn build_contexts(&mut self) -> anyhow::Result<Vec<String>> {
        let mut contexts = self.lines("build-context", "buildContexts")?;
        for (at, context) in &mut contexts {
            let Some((name, place)) = context.split_once('=') else {
                return Err(hinted(
                    format!("{at}: `{context}` is not `NAME=CONTEXT`"),
                    "write it like `lib=../lib` or `base=docker-image://debian:12`",
                ));
            };
            if is_remote(place) {
                continue;
            }
            let path = self.root.join(place);
            if !path.is_dir() {
                return Err(hinted(
                    format!("{at}: the context `{name}` is no folder: `{}`", path.display()),
                    format!("give a folder's path from `{}`, or a URL", self.root.display()),
                ));
            }
            *context = format!("{name}={}", path.display());
        }
        Ok(texts(contexts))
    }

    fn ssh(&mut self) -> anyhow::Result<Vec<String>> {
        let text = self.reader.lenient("ssh").unwrap_or_default();
        let mut values: Vec<Value> =
            list::words(text).into_iter().map(|word| ("input `ssh`".to_owned(), word)).collect();
        values.extend(self.flags("ssh"));
        let absolute = |value: String| match value.split_once('=') {
            None => value,
            Some((id, paths)) => {
                let paths = paths.split(',').map(|path| self.root.join(path).display().to_string());
                format!("{id}={}", paths.collect::<Vec<_>>().join(","))
            }
        };
        Ok(texts(expanded(values)?).into_iter().map(absolute).collect())
    }

    fn call(&mut self) -> anyhow::Result<Option<String>> {
        let check = self.switch_flag("check")?.then(|| "check".to_owned());
        let printed = self.flags("print").last().map(|(_, value)| value);
        let call = match self.reader.env.input("call") {
            // The default of the input.
            Some("build") => self.flags("call").last().map(|(_, value)| value),
            _ => self.one("call", "call")?,
        };
        let Some(call) = call.or(check).or(printed).filter(|call| call != "build") else { return Ok(None) };
        let name = call.split(',').next().unwrap_or_default();
        if !matches!(name, "check" | "lint" | "outline" | "targets" | "subrequests.describe") {
            return Err(unknown_value("call", name, "`check`, `outline`, `targets` or `build`"));
        }
        Ok(Some(call))
    }

    fn source_date_epoch(&mut self) -> anyhow::Result<Option<SourceDateEpoch>> {
        match self.reader.lenient("sourceDateEpoch") {
            None => Ok(None),
            Some("commit") => Ok(Some(SourceDateEpoch::Commit)),
            Some(text) => match text.parse() {
                Ok(seconds) => Ok(Some(SourceDateEpoch::Seconds(seconds))),
                Err(_) => Err(unknown_value(
                    "sourceDateEpoch",
                    text,
                    "`commit`, or seconds since 1970 such as `1700000000`",
                )),
            },
        }
    }
}

fn texts(values: Vec<Value>) -> Vec<String> {
    values.into_iter().map(|(_, text)| text).collect()
}

fn expanded(values: Vec<Value>) -> anyhow::Result<Vec<Value>> {
    values.iter().try_for_each(|(at, value)| check_expanded(at, value))?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::arguments::Arguments;
    use crate::agent::env::Env;
    use crate::error::render;

    /// The options and the warnings.
    fn parse(inputs: &[(&str, &str)], pushes: bool) -> Result<(BuildOptions, Vec<String>), String> {
        let env: Env = inputs
            .iter()
            .map(|(name, value)| (format!("INPUT_{}", name.to_uppercase()), (*value).to_owned()))
            .collect();
        let mut reader = Reader::new(&env);
        let arguments =
            Arguments::parse(env.input("arguments").unwrap_or_default()).map_err(|error| render(&error))?;
        let given = Given { reader: &mut reader, flags: &arguments.options, root: Path::new("/"), pushes };
        let options = given.parse(arguments.forwarded).map_err(|error| render(&error))?;
        Ok((options, reader.warnings))
    }

    /// Each option with one value, as an input and as a flag.
    const EACH: [(&str, &str, &str); 25] = [
        ("addHosts", "add-host", "db:10.0.0.1"),
        ("allow", "allow", "network.host"),
        ("annotations", "annotation", "a=b"),
        ("attests", "attest", "type=sbom"),
        ("buildArgs", "build-arg", "A=1"),
        ("buildContexts", "build-context", "lib=tmp"),
        ("builder", "builder", "farm"),
        ("cacheFrom", "cache-from", "type=local,src=c"),
        ("cacheTo", "cache-to", "type=inline"),
        ("call", "call", "outline"),
        ("cgroupParent", "cgroup-parent", "build.slice"),
        ("labels", "label", "a=b"),
        ("load", "load", "true"),
        ("network", "network", "host"),
        ("noCache", "no-cache", "true"),
        ("noCacheFilters", "no-cache-filter", "base"),
        ("outputs", "output", "type=local,dest=out"),
        ("platforms", "platform", "linux/arm64"),
        ("provenance", "provenance", "mode=max"),
        ("pull", "pull", "true"),
        ("sbom", "sbom", "true"),
        ("shmSize", "shm-size", "1g"),
        ("ssh", "ssh", "default"),
        ("target", "target", "run"),
        ("ulimit", "ulimit", "nofile=1:2"),
    ];

    #[test]
    fn an_input_and_its_flag_mean_the_same() {
        for (input, flag, value) in EACH {
            let of_input = parse(&[(input, value)], false).expect(input);
            let of_flag = parse(&[("arguments", &format!("--{flag}={value}"))], false).expect(flag);
            assert_ne!(of_input.0, BuildOptions::default(), "{input}");
            assert_eq!(of_input, of_flag, "{input}");
            let of_both = parse(&[(input, value), ("arguments", &format!("--{flag}={value}"))], false);
            of_both.expect(input);
        }
        let check =
            |arguments| parse(&[("call", "build"), ("arguments", arguments)], false).expect(arguments).0.call;
        assert_eq!(check("--check").as_deref(), Some("check"));
        assert_eq!(check("--print=outline").as_deref(), Some("outline"));
        assert_eq!(check("--call=build"), None);
    }

    #[test]
    fn lists_add_up_and_single_values_have_to_agree() {
        let (options, warnings) = parse(
            &[
                ("labels", "a=1\nb=x, y"),
                ("platforms", "linux/amd64, linux/arm64"),
                ("ssh", "default,key=tmp/key"),
                ("network", "host"),
                ("pull", "false"),
                (
                    "arguments",
                    "--label c=3 --platform linux/386,linux/ppc64le --ssh k=a,b --network host --pull --push",
                ),
            ],
            true,
        )
        .expect("all agree");
        assert_eq!(options.labels, ["a=1", "b=x, y", "c=3"]);
        assert_eq!(options.platforms, ["linux/amd64", "linux/arm64", "linux/386", "linux/ppc64le"]);
        assert_eq!(options.ssh, ["default", "key=/tmp/key", "k=/a,/b"]);
        assert_eq!((options.network.as_deref(), options.pull), (Some("host"), true));
        assert_eq!(warnings, [""; 0]);
        assert_eq!(
            parse(&[("target", "run"), ("arguments", "--target=a --target=test")], false).expect_err("two"),
            "input `target` is `run`, but `arguments` has `--target test`\n\nhint: remove one of them, e.g. `--target` \
             from `arguments`"
        );
    }

    #[test]
    fn a_macro_that_was_left_is_left_out_or_an_error() {
        let (options, warnings) = parse(
            &[
                ("labels", "a=$(nope)\nb=$(date) x"),
                ("buildArgs", "A=$(nope)\nB"),
                ("shmSize", "$(nope)"),
                ("cacheFrom", "$(nope)"),
            ],
            false,
        )
        .expect("it is left out");
        assert_eq!(
            (&options.labels[..], &options.build_args[..]),
            (&["b=$(date) x".to_owned()][..], &["B".to_owned()][..])
        );
        assert_eq!(
            warnings,
            [
                "build argument `A` is left out: no variable `nope` exists",
                "input `cacheFrom` is ignored: no variable `nope` exists",
                "label `a` is left out: no variable `nope` exists",
                "input `shmSize` is ignored: no variable `nope` exists",
            ]
        );
        for (input, value) in [
            ("cacheFrom", "type=local,src=$(nope)/c"),
            ("outputs", "$(nope)/x"),
            ("platforms", "linux/$(nope)"),
            ("target", "a$(nope)"),
            ("builder", "$(nope)"),
        ] {
            let error = parse(&[(input, value)], false).expect_err(input);
            assert!(
                error.starts_with(&format!(
                    "input `{input}` holds `$(nope)`, but no variable `nope` exists\n"
                )),
                "{error}"
            );
        }
        let error = parse(&[("arguments", "--output=$(nope)/x")], false).expect_err("a macro");
        assert!(error.starts_with("input `arguments`: `--output` holds `$(nope)`"), "{error}");
    }

    #[test]
    fn wrong_values_name_the_right_ones() {
        let table = [
            (
                "sourceDateEpoch",
                "today",
                "input `sourceDateEpoch` does not know `today`\n\nhint: write `commit`, or seconds since 1970 such as `1700000000`",
            ),
            (
                "call",
                "chekc",
                "input `call` does not know `chekc`\n\nhint: write `check`, `outline`, `targets` or `build`",
            ),
            ("load", "yes", "input `load` does not know `yes`\n\nhint: write `true` or `false`"),
            (
                "arguments",
                "--pull=yes",
                "input `arguments`: `--pull` does not know `yes`\n\nhint: write `--pull`, or leave it out",
            ),
            (
                "arguments",
                "--push",
                "input `arguments`: `--push` would push around the check of the image\n\nhint: use `command: buildAndPush`, which pushes after the check",
            ),
            (
                "buildContexts",
                "lib",
                "input `buildContexts`: `lib` is not `NAME=CONTEXT`\n\nhint: write it like `lib=../lib` or `base=docker-image://debian:12`",
            ),
            (
                "buildContexts",
                "lib=no/such",
                "input `buildContexts`: the context `lib` is no folder: `/no/such`\n\nhint: give a folder's path from `/`, or a URL",
            ),
            (
                "labels",
                "\"a=1",
                "input `labels` has a double quote that is not closed\n\nhint: close it; a quote within a quoted value is written `\"\"`",
            ),
        ];
        for (input, value, expected) in table {
            assert_eq!(parse(&[(input, value)], false).expect_err(value), expected);
        }
        let epoch = |text| parse(&[("sourceDateEpoch", text)], false).expect(text).0.source_date_epoch;
        assert_eq!(epoch("commit"), Some(SourceDateEpoch::Commit));
        assert_eq!(epoch("1700000000"), Some(SourceDateEpoch::Seconds(1_700_000_000)));
    }
}
