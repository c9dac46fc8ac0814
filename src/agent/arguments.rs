//! The input `arguments`: extra flags for `docker buildx build`.
//!
//! Rule: every flag is known by name. One that has an input of its own means what that input means; none can publish
//! an image or a cache around the check, show the build elsewhere or name a secret that we do not see.

use crate::error::hinted;

/// `arguments`, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Flags that have an input of their own, by their long names; a switch has `true` or `false`.
    pub options: Vec<(String, String)>,
    /// Flags that go to the client as they are, each with its value.
    pub forwarded: Vec<String>,
    /// The values of `--secret`.
    pub secrets: Vec<String>,
    /// Flags that are left out since the step does the same anyway.
    pub ignored: Vec<String>,
}

/// What becomes of a flag.
#[derive(Clone, Copy)]
enum Flag {
    /// Has an input of its own, with a value or as a switch.
    Option { switch: bool },
    /// Names a secret.
    Secret,
    /// Forwarded, with a value or without.
    Forwarded { switch: bool },
    /// Left out: the step does this anyway.
    Ignored { switch: bool },
    /// Refused, with what to use.
    Refused(&'static str),
}

/// The flags of `docker buildx build` (buildx `commands/build.go`, also those that it hides).
fn flag(name: &str) -> Option<Flag> {
    Some(match name {
        "add-host" | "allow" | "annotation" | "attest" | "build-arg" | "build-context" | "builder"
        | "cache-from" | "cache-to" | "call" | "cgroup-parent" | "label" | "network" | "no-cache-filter"
        | "output" | "platform" | "print" | "provenance" | "sbom" | "shm-size" | "ssh" | "target"
        | "ulimit" => Flag::Option { switch: false },
        "check" | "load" | "no-cache" | "pull" | "push" => Flag::Option { switch: true },
        "secret" => Flag::Secret,
        "policy" | "resource" | "memory" | "memory-swap" | "cpu-shares" | "cpu-period" | "cpu-quota"
        | "cpuset-cpus" | "cpuset-mems" | "isolation" | "security-opt" => Flag::Forwarded { switch: false },
        "debug" | "compress" | "squash" | "rm" | "force-rm" => Flag::Forwarded { switch: true },
        "quiet" => Flag::Ignored { switch: true },
        "progress" => Flag::Ignored { switch: false },
        "tag" => Flag::Refused("use the inputs `repository` and `tags`"),
        "file" => Flag::Refused("use the input `Dockerfile`"),
        "metadata-file" | "iidfile" => Flag::Refused(
            "use the output variables `imageDigest` and `imageId`, e.g. `$(stepName.imageDigest)`",
        ),
        _ => return None,
    })
}

fn long_name(short: char) -> Option<&'static str> {
    Some(match short {
        't' => "tag",
        'f' => "file",
        'o' => "output",
        'q' => "quiet",
        'D' => "debug",
        'm' => "memory",
        'c' => "cpu-shares",
        _ => return None,
    })
}

impl Flag {
    fn takes_value(self) -> bool {
        match self {
            Self::Option { switch } | Self::Forwarded { switch } | Self::Ignored { switch } => !switch,
            Self::Secret | Self::Refused(_) => true,
        }
    }
}

impl Arguments {
    /// Splits as `Docker@2` splits and sorts the flags.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut words = split(text)?.into_iter();
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            if let Some(long) = word.strip_prefix("--").filter(|long| !long.is_empty()) {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                arguments.add(name, &format!("--{name}"), value, &mut words)?;
            } else if let Some(shorts) = word.strip_prefix('-').filter(|shorts| !shorts.is_empty()) {
                arguments.add_shorts(shorts, &mut words)?;
            } else {
                return Err(hinted(
                    format!("input `arguments`: `{word}` is no flag"),
                    "give the build context in `buildContext`; put a value that holds blanks into double quotes",
                ));
            }
        }
        Ok(arguments)
    }

    /// A group of one-letter flags: all but the last are switches, and the rest of the word is its value.
    fn add_shorts(&mut self, shorts: &str, words: &mut impl Iterator<Item = String>) -> anyhow::Result<()> {
        let mut rest = shorts;
        while let Some(short) = rest.chars().next() {
            rest = &rest[short.len_utf8()..];
            let shown = format!("-{short}");
            let name = long_name(short).ok_or_else(|| unknown(&shown))?;
            if flag(name).is_some_and(Flag::takes_value) {
                let value = rest.strip_prefix('=').unwrap_or(rest);
                let value = (!rest.is_empty()).then(|| value.to_owned());
                return self.add(name, &shown, value, words);
            }
            self.add(name, &shown, None, words)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        name: &str,
        shown: &str,
        value: Option<String>,
        words: &mut impl Iterator<Item = String>,
    ) -> anyhow::Result<()> {
        let flag = flag(name).ok_or_else(|| unknown(shown))?;
        if let Flag::Refused(way) = flag {
            return Err(hinted(format!("input `arguments`: `{shown}` cannot be used here"), way));
        }
        let value = match value {
            None if flag.takes_value() => Some(words.next().ok_or_else(|| {
                hinted(format!("input `arguments`: `{shown}` has no value"), format!("write `{shown} VALUE`"))
            })?),
            value => value,
        };
        match (flag, value) {
            (Flag::Option { .. }, value) => {
                self.options.push((name.to_owned(), value.unwrap_or_else(|| "true".to_owned())));
            }
            (Flag::Secret, Some(value)) => self.secrets.push(value),
            (Flag::Ignored { .. }, _) => self.ignored.push(shown.to_owned()),
            (_, Some(value)) => self.forwarded.push(format!("--{name}={value}")),
            (_, None) => self.forwarded.push(format!("--{name}")),
        }
        Ok(())
    }
}

fn unknown(shown: &str) -> anyhow::Error {
    hinted(
        format!("input `arguments`: `{shown}` is no flag of `docker buildx build` that this version knows"),
        "check its spelling, or leave it out",
    )
}

/// Splits like the task library's `argStringToArray` (`toolrunner.ts`), newlines being spaces: spaces separate,
/// `"` toggles quoting, and within quotes `\"` is a quote. Unlike there, a quote that is not closed is an error.
pub(super) fn split(text: &str) -> anyhow::Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut pending, mut escaped) = (false, false, false);
    for c in text.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }) {
        match c {
            '"' if escaped => word.push('"'),
            _ if escaped => word.extend(['\\', c]),
            '"' => (quoted, pending) = (!quoted, true),
            '\\' if quoted => {
                escaped = true;
                continue;
            }
            ' ' if !quoted => {
                if pending || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                pending = false;
            }
            c => word.push(c),
        }
        escaped = false;
    }
    if quoted {
        return Err(hinted(
            "input `arguments` has a double quote that is not closed",
            "close it; a quote within a quoted value is written `\\\"`",
        ));
    }
    if pending || !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    #[test]
    fn words_are_split_as_docker_2_splits_them() {
        let table: [(&str, &[&str]); 5] = [
            ("  a  b\nc ", &["a", "b", "c"]),
            (r#"--label "x=a b""#, &["--label", "x=a b"]),
            (r#"--label="say \"hi\"""#, &[r#"--label=say "hi""#]),
            (r"a\b 'c d'", &[r"a\b", "'c", "d'"]),
            (r#""" x"#, &["", "x"]),
        ];
        for (text, words) in table {
            assert_eq!(split(text).expect(text), words, "{text}");
        }
        split("\"open").expect_err("not closed");
    }

    #[test]
    fn flags_are_sorted() {
        let text = "--secret id=PIP_EXTRA_URL --build-arg A=1 --build-arg=B --target=run --pull --no-cache=false \
                    --label \"a=b c\" --memory 1g --progress=plain -q --load -D --check -qo out --print outline";
        let options = [
            ("build-arg", "A=1"),
            ("build-arg", "B"),
            ("target", "run"),
            ("pull", "true"),
            ("no-cache", "false"),
            ("label", "a=b c"),
            ("load", "true"),
            ("check", "true"),
            ("output", "out"),
            ("print", "outline"),
        ];
        let expected = Arguments {
            options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            forwarded: ["--memory=1g", "--debug"].map(str::to_owned).into(),
            secrets: vec!["id=PIP_EXTRA_URL".to_owned()],
            ignored: ["--progress", "-q", "-q"].map(str::to_owned).into(),
        };
        assert_eq!(Arguments::parse(text).expect("all known"), expected);
    }

    #[test]
    fn what_has_another_place_is_refused() {
        let table = [
            ("-t x", "`-t`", "`tags`"),
            ("-qt x", "`-t`", "`tags`"),
            ("-tx", "`-t`", "`tags`"),
            ("--tag=x", "`--tag`", "`repository`"),
            ("-f Dockerfile", "`-f`", "`Dockerfile`"),
            ("--metadata-file m", "`--metadata-file`", "`imageDigest`"),
            ("--iidfile i", "`--iidfile`", "`imageId`"),
            ("--invoke sh", "`--invoke`", "spelling"),
            ("-x", "`-x`", "spelling"),
            ("--", "`--`", "spelling"),
            ("-", "`-`", "`buildContext`"),
            (".", "`.`", "`buildContext`"),
            ("--label", "`--label` has no value", "`--label VALUE`"),
        ];
        for (text, what, way) in table {
            let error = error::render(&Arguments::parse(text).expect_err(text));
            assert!(error.contains(what) && error.contains(way), "{text}: {error}");
        }
    }
}
