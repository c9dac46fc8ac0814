//! What the user wants of the check: how much is read, what is allowed, and what becomes of an image that leaks.

use glob::{MatchOptions, Pattern};

use crate::agent::env::Env;
use crate::error::hinted;

/// How much of an image is read before it gets a name (input `leakCheck`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeakCheck {
    /// Config, history, attestations and every layer.
    #[default]
    Full,
    /// Config and history.
    Config,
    /// Nothing.
    Off,
}

/// A place in which a finding is no error, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    glob: Pattern,
    /// The user's reason.
    pub reason: String,
}

impl Allowance {
    /// Whether it covers a path of the image (without a slash before it) or another place as a finding writes it.
    #[must_use]
    pub fn covers(&self, place: &str) -> bool {
        const OPTIONS: MatchOptions = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        self.glob.matches_with(place.trim_start_matches('/'), OPTIONS)
    }
}

impl std::fmt::Display for Allowance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.glob, self.reason)
    }
}

/// The inputs of the check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// `leakCheck`.
    pub check: LeakCheck,
    /// `leakCheckAllow`.
    pub allowances: Vec<Allowance>,
    /// `keepLeakedImage`.
    pub keep_image: bool,
}

impl Policy {
    /// Reads `leakCheck`, `leakCheckAllow` and `keepLeakedImage`.
    pub fn parse(env: &Env) -> anyhow::Result<Self> {
        let check = match env.strict_input("leakCheck")? {
            None | Some("full") => LeakCheck::Full,
            Some("config") => LeakCheck::Config,
            Some("off") => LeakCheck::Off,
            Some(other) => {
                return Err(hinted(
                    format!("input `leakCheck` does not know `{other}`"),
                    "write `full`, `config` or `off`",
                ));
            }
        };
        let keep_image = match env.strict_input("keepLeakedImage")? {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("false") => false,
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(other) => {
                return Err(hinted(
                    format!("input `keepLeakedImage` does not know `{other}`"),
                    "write `true` or `false`",
                ));
            }
        };
        let lines = env.strict_input("leakCheckAllow")?.unwrap_or_default().lines();
        let allowances = lines
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(allowance)
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { check, allowances, keep_image })
    }

    /// The first allowance that covers a place.
    #[must_use]
    pub fn allowance(&self, place: &str) -> Option<&Allowance> {
        self.allowances.iter().find(|allowance| allowance.covers(place))
    }
}

/// `GLOB = REASON`; a glob may hold `=`, so the last one that stands between blanks divides.
fn allowance(line: &str) -> anyhow::Result<Allowance> {
    let pair = line.rsplit_once(" = ").map(|(glob, reason)| (glob.trim(), reason.trim()));
    let Some((glob, reason)) = pair.filter(|(glob, reason)| !glob.is_empty() && !reason.is_empty()) else {
        return Err(hinted(
            format!("input `leakCheckAllow`: `{line}` gives no reason"),
            "write `GLOB = REASON`, e.g. `app/settings/*.json = the word names an environment`",
        ));
    };
    let glob = Pattern::new(glob.trim_start_matches('/')).map_err(|error| {
        hinted(
            format!("input `leakCheckAllow`: `{glob}` is no glob ({})", error.msg),
            "use `*` within a folder, `**` across folders, `?` and `[…]`",
        )
    })?;
    Ok(Allowance { glob, reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    fn parse(pairs: &[(&str, &str)]) -> anyhow::Result<Policy> {
        Policy::parse(&pairs.iter().map(|(name, value)| (format!("INPUT_{name}"), *value)).collect())
    }

    #[test]
    fn the_default_is_to_read_everything() {
        assert_eq!(parse(&[]).expect("no input is needed"), Policy::default());
        let policy = parse(&[("LEAKCHECK", "config"), ("KEEPLEAKEDIMAGE", "True")]).expect("both are known");
        assert_eq!((policy.check, policy.keep_image), (LeakCheck::Config, true));
    }

    #[test]
    fn an_allowance_is_a_glob_and_a_reason() {
        let policy = parse(&[("LEAKCHECKALLOW", "/app/*.json = a word\n\nusr/**/x=y = of the base image")]);
        let policy = policy.expect("both lines are whole");
        let covered = |place: &str| policy.allowance(place).map(ToString::to_string);
        assert_eq!(covered("app/a.json").as_deref(), Some("app/*.json (a word)"));
        assert_eq!(covered("/app/a.json").as_deref(), Some("app/*.json (a word)"));
        assert_eq!(covered("app/b/a.json"), None);
        assert_eq!(covered("usr/a/b/x=y").as_deref(), Some("usr/**/x=y (of the base image)"));
    }

    #[test]
    fn wrong_values_name_the_right_ones() {
        for ((name, value), expected) in [
            (("LEAKCHECK", "on"), "write `full`, `config` or `off`"),
            (("KEEPLEAKEDIMAGE", "no"), "write `true` or `false`"),
            (("LEAKCHECKALLOW", "app/**"), "write `GLOB = REASON`"),
            (("LEAKCHECKALLOW", "a[ = b"), "`a[` is no glob"),
        ] {
            let error = error::render(&parse(&[(name, value)]).expect_err(value));
            assert!(error.contains(expected), "{error}");
        }
    }
}
