//! Names of variables that hold a secret, by the words in them.

use std::collections::BTreeSet;

use crate::dockerfile::Declaration;

/// BuildKit's check of the same (`linter/ruleset.go`); who has it skipped is told nothing here, either.
pub const CHECK: &str = "SecretsUsedInArgOrEnv";

/// As [`CHECK`] (`dockerfile2llb/validations.go`): one of these is a word of the name.
const SECRET: [&str; 10] =
    ["APIKEY", "AUTH", "CREDENTIAL", "CREDENTIALS", "KEY", "PASSWORD", "PWORD", "PASSWD", "SECRET", "TOKEN"];

/// And none of these.
const HARMLESS: [&str; 3] = ["PUBLIC", "FILE", "VERSION"];

/// Whether a variable of this name is meant for a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let has = |words: &[&str]| name.split('_').any(|word| words.contains(&word));
    has(&SECRET) && !has(&HARMLESS)
}

/// What to tell of the names that a Dockerfile declares, each with its line; `fed` are the ids of the secrets that the
/// step feeds.
#[must_use]
pub fn warnings(declarations: &[Declaration], fed: &[&str]) -> Vec<(usize, String)> {
    let mut seen = BTreeSet::new();
    let mut warnings = Vec::new();
    for Declaration { keyword, name, line } in declarations {
        let is_fed = fed.iter().any(|id| id.replace(['-', '.'], "_").eq_ignore_ascii_case(name));
        let why =
            if is_fed { "has the name of a secret that this step feeds" } else { "is named like a secret" };
        if (is_fed || is_secret(name)) && seen.insert((line, name)) {
            let text = format!(
                "`{keyword} {name}` {why}, and what it holds can be read in the image; mount it in the `RUN` that needs \
                 it: `--mount=type=secret,id={name},env={name}`"
            );
            warnings.push((*line, text));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_of_secrets_are_told_once() {
        let declare = |keyword: &str, name: &str, line| Declaration {
            keyword: keyword.to_owned(),
            name: name.to_owned(),
            line,
        };
        let declarations = [
            declare("ARG", "PIP_INDEX_URL", 2),
            declare("ENV", "GITHUB_TOKEN", 3),
            declare("ENV", "GITHUB_TOKEN", 3),
            declare("ARG", "NPMRC", 4),
            declare("ARG", "VERSION", 5),
        ];
        let told = warnings(&declarations, &["PIP_INDEX_URL", "npmrc"]);
        let fed = |name: &str| {
            format!(
                "`ARG {name}` has the name of a secret that this step feeds, and what it holds can be read in the image; \
                 mount it in the `RUN` that needs it: `--mount=type=secret,id={name},env={name}`"
            )
        };
        let named = "`ENV GITHUB_TOKEN` is named like a secret, and what it holds can be read in the image; mount it in \
                     the `RUN` that needs it: `--mount=type=secret,id=GITHUB_TOKEN,env=GITHUB_TOKEN`";
        assert_eq!(told, [(2, fed("PIP_INDEX_URL")), (3, named.to_owned()), (4, fed("NPMRC"))]);
    }

    #[test]
    fn a_word_of_the_name_tells() {
        for name in ["API_KEY", "DATABASE_PASSWORD", "github_token", "secret_MESSAGE", "AUTH", "_KEY_"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["KEYBOARD", "PIP_INDEX_URL", "PUBLIC_KEY", "TOKEN_FILE", "KEY_VERSION", "AUTHOR", ""] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
