//! The input `arguments` for `command: push`, where `Docker@2` gives it to `docker push`.
//!
//! Rule: every flag is known by name, and one that would push something else than was checked is refused.

use super::arguments::{Arguments, split};
use crate::error::hinted;

/// Sorts the flags of `docker push` (docker/cli `cli/command/image/push.go`).
pub(super) fn parse(text: &str) -> anyhow::Result<Arguments> {
    let mut arguments = Arguments::default();
    for word in split(text)? {
        let (flag, value) = word.split_once('=').unwrap_or((&word, "true"));
        let way = match (flag, value) {
            ("-q" | "--quiet", _) => {
                arguments.ignored.push(flag.to_owned());
                continue;
            }
            // It is off unless asked for, here as there.
            ("--disable-content-trust", "true") => continue,
            ("--disable-content-trust", _) => {
                "sign the image in a step of its own after this one, by its digest: `$(stepName.imageDigest)`"
            }
            ("-a" | "--all-tags", _) => "name each tag in `tags`",
            ("--platform", _) => "leave it out: the image is pushed whole, as it was checked",
            _ => {
                return Err(hinted(
                    format!("input `arguments`: `{flag}` is no flag of `docker push`"),
                    "`command: push` builds nothing; give the flags of a build to the step that builds",
                ));
            }
        };
        return Err(hinted(format!("input `arguments`: `{flag}` cannot be used here"), way));
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    #[test]
    fn what_changes_nothing_is_left_out() {
        let ignored = ["-q", "--quiet"].map(str::to_owned).into();
        let expected = Arguments { ignored, ..Arguments::default() };
        assert_eq!(parse("-q --quiet=true\n--disable-content-trust").expect("all known"), expected);
        assert_eq!(parse("").expect("nothing"), Arguments::default());
    }

    #[test]
    fn what_would_push_something_else_is_refused() {
        let table = [
            ("-a", "`-a` cannot be used here\n\nhint: name each tag in `tags`"),
            ("--all-tags", "`--all-tags` cannot be used here\n\nhint: name each tag in `tags`"),
            (
                "--platform linux/arm64",
                "`--platform` cannot be used here\n\nhint: leave it out: the image is pushed whole, as it was checked",
            ),
            (
                "--disable-content-trust=false",
                "`--disable-content-trust` cannot be used here\n\nhint: sign the image in a step of its own after this one, \
                 by its digest: `$(stepName.imageDigest)`",
            ),
            (
                "--build-arg A=1",
                "`--build-arg` is no flag of `docker push`\n\nhint: `command: push` builds nothing; give the flags of a \
                 build to the step that builds",
            ),
        ];
        for (text, expected) in table {
            let error = error::render(&parse(text).expect_err(text));
            assert_eq!(error, format!("input `arguments`: {expected}"));
        }
    }
}
