//! The user's own secrets: the inputs `secrets`, `secretFiles` and `secretEnvs`, and `--secret` in `arguments`.
//! [`UserSecret::read`] reads the files that they name.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::{LARGEST, Secret};
use crate::agent::env::{Env, mangle, unexpanded, wholly_unexpanded};
use crate::csv;
use crate::error::hinted;

/// Where the content of a secret is.
#[derive(Debug, Clone)]
pub enum Source {
    /// In the input itself.
    Value(SecretString),
    /// In a file.
    File(PathBuf),
    /// In a variable of the pipeline or of the step's `env:` block.
    Variable(String),
}

/// A secret that the user names.
#[derive(Debug, Clone)]
pub struct UserSecret {
    /// Its id.
    pub id: String,
    /// The input that names it.
    pub input: &'static str,
    /// Where its content is.
    pub source: Source,
}

impl UserSecret {
    /// Parses one of the inputs: a line a secret, `id=…`. No message quotes what may be secret.
    pub fn parse_lines(
        input: &'static str,
        text: &str,
        source: impl Fn(&str) -> Source,
    ) -> anyhow::Result<Vec<Self>> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines
            .map(|(number, line)| {
                let at = format!("input `{input}`, line {}", number + 1);
                let (id, value) = line.split_once('=').filter(|(id, _)| is_id(id.trim())).ok_or_else(|| {
                    hinted(
                        format!("{at}: no `id=` at its start"),
                        "write each secret as `id=value` on a line of its own; a value of several lines goes into a \
                         file or variable that `secretFiles` (`id=path`) or `secretEnvs` (`id=VARIABLE`) names",
                    )
                })?;
                let (id, value) = (id.trim().to_owned(), value.trim());
                if let Some(name) = unexpanded(value) {
                    return Err(hinted(
                        format!("{at}: secret `{id}` holds `$({name})`, but no variable `{name}` exists"),
                        format!(
                            "define the variable `{name}`, or link the variable group that holds it; for a value \
                             that really has `$({name})` in it use `secretEnvs`"
                        ),
                    ));
                }
                if value.is_empty() {
                    return Err(hinted(
                        format!("{at}: secret `{id}` is empty"),
                        "give it a value, or remove the line",
                    ));
                }
                Ok(Self { id, input, source: source(value) })
            })
            .collect()
    }

    /// Parses a value of `--secret` as buildx does (`util/buildflags/secrets.go`): `id=X[,src=PATH|,env=NAME]`;
    /// with neither, the variable X if it exists, else the file X.
    pub fn parse_flag(value: &str, env: &Env) -> anyhow::Result<Self> {
        let wrong = |what: String| {
            hinted(
                format!("input `arguments`: `--secret {value}` {what}"),
                "write `--secret id=ID`, `--secret id=ID,src=PATH` or `--secret id=ID,env=VARIABLE`",
            )
        };
        let (mut id, mut file, mut variable, mut kind) = (None, None, None, None);
        for field in csv::fields(value) {
            let (key, value) =
                field.split_once('=').ok_or_else(|| wrong(format!("has a field `{field}` without `=`")))?;
            match key.to_lowercase().as_str() {
                "id" => id = Some(value.to_owned()),
                "src" | "source" => file = Some(value.to_owned()),
                "env" => variable = Some(value.to_owned()),
                "type" => kind = Some(value.to_owned()),
                _ => return Err(wrong(format!("has an unknown key `{key}`"))),
            }
        }
        let id = id.filter(|id| is_id(id)).ok_or_else(|| wrong("has no id".to_owned()))?;
        let source = match (kind.as_deref(), file, variable) {
            (_, _, Some(name)) | (Some("env"), Some(name), None) => Source::Variable(name),
            (_, Some(path), None) => Source::File(path.into()),
            (Some("env"), None, None) => Source::Variable(id.clone()),
            (None, None, None) if env.variable(&id).is_some() => Source::Variable(id.clone()),
            (None | Some("file"), None, None) => Source::File(PathBuf::from(&id)),
            _ => return Err(wrong("has an unknown type".to_owned())),
        };
        Ok(Self { id, input: "arguments", source })
    }

    /// The names under which the environment may have the variable that holds it, if one does.
    #[must_use]
    pub fn variables(&self) -> Vec<String> {
        match &self.source {
            Source::Variable(name) => vec![name.clone(), mangle(name)],
            Source::Value(_) | Source::File(_) => Vec::new(),
        }
    }

    /// The content, or `None` where `--secret` would have given an empty one: an unset, empty or unexpanded
    /// variable, or a file that does not exist.
    pub fn find(&self, env: &Env, root: &Path) -> anyhow::Result<Option<Secret>> {
        let value: SecretSlice<u8> = match &self.source {
            Source::Value(value) => bytes(value),
            Source::Variable(name) => match env.secret_variable(name) {
                Some(value) if wholly_unexpanded(value.expose_secret()).is_none() => bytes(&value),
                _ => return Ok(None),
            },
            Source::File(path) => {
                let path = root.join(path);
                match std::fs::read(&path) {
                    Ok(content) => content.into(),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => {
                        return Err(error).with_context(|| {
                            format!(
                                "input `{}`: cannot read the file of secret `{}`, `{}`",
                                self.input,
                                self.id,
                                path.display()
                            )
                        });
                    }
                }
            }
        };
        let size = value.expose_secret().len();
        if size > LARGEST {
            return Err(hinted(
                format!(
                    "input `{}`: secret `{}` has {size} bytes; BuildKit takes at most {LARGEST}",
                    self.input, self.id
                ),
                "split it, or pass the part of it that is not secret in the build context",
            ));
        }
        Ok((size > 0).then(|| Secret { id: self.id.clone(), value, lasting: true }))
    }

    /// Like [`UserSecret::find`], but a secret without content is an error.
    pub fn read(&self, env: &Env, root: &Path) -> anyhow::Result<Secret> {
        self.find(env, root)?.ok_or_else(|| match &self.source {
            Source::Value(_) => anyhow::anyhow!("input `{}`: secret `{}` is empty", self.input, self.id),
            Source::Variable(name) => hinted(
                format!("input `{}`: variable `{name}` of secret `{}` is not set or empty", self.input, self.id),
                format!(
                    "map it into the step by `env: {{ {name}: $({name}) }}`, where `$({name})` is a variable of the \
                     pipeline; `{}` takes the variable's name, not its value",
                    self.input
                ),
            ),
            Source::File(path) => hinted(
                format!(
                    "input `{}`: the file of secret `{}` does not exist or is empty: `{}`",
                    self.input,
                    self.id,
                    root.join(path).display()
                ),
                "give the path from the sources folder, or an absolute one such as `$(mySecureFile.secureFilePath)`",
            ),
        })
    }
}

fn bytes(value: &SecretString) -> SecretSlice<u8> {
    value.expose_secret().as_bytes().to_vec().into()
}

/// What buildx and a Dockerfile can write as an id without quotes; anything else is most likely part of a value.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error;

    fn value(text: &str) -> Source {
        Source::Value(SecretString::from(text))
    }

    fn content(secret: &UserSecret, env: &Env) -> Option<Vec<u8>> {
        secret.find(env, Path::new("/nowhere")).expect("readable").map(|s| s.value.expose_secret().to_vec())
    }

    #[test]
    fn a_value_keeps_every_odd_character() {
        let text = "a=quote\" ' comma, percent% space é = end\n\nb=x";
        let secrets = UserSecret::parse_lines("secrets", text, value).expect("two lines");
        assert_eq!(secrets.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            content(&secrets[0], &Env::default()),
            Some("quote\" ' comma, percent% space é = end".into())
        );
    }

    #[test]
    fn a_line_without_an_id_is_an_error_that_does_not_quote_it() {
        for text in ["pem=-----BEGIN\nMII/Canary+x==", "just Canary", "=Canary"] {
            let error = error::render(&UserSecret::parse_lines("secrets", text, value).expect_err(text));
            assert!(error.contains("`secretFiles`") && error.contains("`secretEnvs`"), "{error}");
            assert!(!error.contains("Canary"), "{error}");
        }
    }

    #[test]
    fn a_variable_that_does_not_exist_is_named() {
        let error = UserSecret::parse_lines("secrets", "key=$(apiKey)", value).expect_err("no such variable");
        assert!(error::render(&error).contains("no variable `apiKey` exists"));
    }

    #[test]
    fn a_flag_is_read_as_buildx_reads_it() {
        let env =
            Env::from_iter([("TOKEN", "s3cret"), ("LEFT", "$(artifactoryUrl)"), ("SECRET_HIDDEN", "h1dden")]);
        let table = [
            ("id=TOKEN", Some("s3cret")),
            ("id=x,env=TOKEN", Some("s3cret")),
            ("id=x,env=HIDDEN", Some("h1dden")),
            ("type=env,id=x,src=TOKEN", Some("s3cret")),
            ("id=LEFT", None),
            ("id=absent", None),
            ("id=x,src=absent", None),
        ];
        for (flag, expected) in table {
            let secret = UserSecret::parse_flag(flag, &env).expect(flag);
            assert_eq!(content(&secret, &env), expected.map(Into::into), "{flag}");
        }
        for flag in ["src=x", "id=", "id=a,foo=b", "id=a,b", "id=a,type=x"] {
            UserSecret::parse_flag(flag, &env).expect_err(flag);
        }
    }
}
