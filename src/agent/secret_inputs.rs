//! The inputs that name secrets: `secretIds`, `secrets`, `secretFiles` and `secretEnvs`.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::env::Env;
use crate::error::hinted;
use crate::secret::catalogue::Asked;
use crate::secret::user::{Source, UserSecret};

/// `secretIds`: entries of the catalogue by other ids.
pub(super) fn renamed(text: &str) -> anyhow::Result<BTreeMap<String, Asked>> {
    let mut renamed = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (id, entry) =
            line.split_once('=').map(|(id, entry)| (id.trim(), entry.trim())).ok_or_else(|| {
                hinted(
                    format!("input `secretIds`: `{line}` is not `id=CATALOGUE_ID`"),
                    "write e.g. `my_pip_url=PIP_EXTRA_INDEX_URL`",
                )
            })?;
        let entry = Asked::by(entry).ok_or_else(|| {
            hinted(
                format!("input `secretIds`: `{entry}` is not in the catalogue"),
                "use an id of `docs/secrets.md`, e.g. `PIP_INDEX_URL`; for a value of your own use `secrets`",
            )
        })?;
        if renamed.insert(id.to_owned(), entry).is_some() {
            return Err(hinted(
                format!("input `secretIds` names `{id}` twice"),
                "remove one of the lines: an id holds one secret",
            ));
        }
    }
    Ok(renamed)
}

/// The secrets of the inputs, after a check that no id is given twice, there or by a flag in `arguments`.
pub(super) fn user_secrets(env: &Env, flags: &[UserSecret]) -> anyhow::Result<Vec<UserSecret>> {
    let parse = |input, source: fn(&str) -> Source| {
        UserSecret::parse_lines(input, env.input(input).unwrap_or_default(), source)
    };
    let mut secrets = parse("secrets", |value| Source::Value(SecretString::from(value)))?;
    secrets.extend(parse("secretFiles", |path| Source::File(path.into()))?);
    secrets.extend(parse("secretEnvs", |name| Source::Variable(name.to_owned()))?);
    let mut inputs = BTreeMap::new();
    for secret in secrets.iter().chain(flags) {
        let Some(input) = inputs.insert(&secret.id, secret.input) else { continue };
        let places = if input == secret.input {
            format!("in `{input}`")
        } else {
            format!("in `{input}` and in `{}`", secret.input)
        };
        return Err(hinted(
            format!("secret `{}` is given twice: {places}", secret.id),
            "remove one of them: buildx would take the last and say nothing",
        ));
    }
    Ok(secrets)
}
