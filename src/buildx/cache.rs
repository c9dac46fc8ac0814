//! Caches that a build reads and writes: the values of `--cache-from` and `--cache-to`.
//!
//! Rule: no credential in it, since every account of the agent can read a process's arguments.

use std::path::Path;

use crate::csv;
use crate::error::hinted;

/// A cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// The backend: `registry`, `local`, `inline`, `s3`, `azblob`, …
    pub kind: String,
    /// Its attributes, such as `ref` or `mode`.
    pub attributes: Vec<(String, String)>,
}

/// Attributes that hold a credential (BuildKit, `cache/remotecache`).
const CREDENTIALS: [&str; 4] = ["secret_access_key", "session_token", "token", "ghtoken"];

impl Cache {
    /// Parses a value as buildx does (`util/buildflags/cache.go`): without any `=` it is a list of references. `at`
    /// says where it stands, and `root` is where relative paths begin.
    pub fn parse(at: &str, value: &str, root: &Path) -> anyhow::Result<Vec<Self>> {
        let fields = csv::fields(value);
        if !value.contains('=') {
            let registry = |reference| Self {
                kind: "registry".to_owned(),
                attributes: vec![("ref".to_owned(), reference)],
            };
            return Ok(fields.into_iter().map(registry).collect());
        }
        let mut cache = Self { kind: String::new(), attributes: Vec::new() };
        for field in fields {
            let (key, value) = field.split_once('=').ok_or_else(|| {
                hinted(
                    format!("{at}: `{field}` has no `=`"),
                    "write a cache like `type=registry,ref=registry.example.com/app:cache`, or as a reference alone; put \
                     a field that holds a comma into double quotes",
                )
            })?;
            match key.to_lowercase().as_str() {
                "type" => value.clone_into(&mut cache.kind),
                key if CREDENTIALS.contains(&key) => {
                    return Err(hinted(
                        format!("{at}: `{key}` would be readable by every account of the agent"),
                        "leave it out; for `type=s3` map `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` by `env:`, for \
                         others give the builder an identity of its own",
                    ));
                }
                key @ ("src" | "dest") => {
                    cache.attributes.push((key.to_owned(), root.join(value).display().to_string()));
                }
                key => cache.attributes.push((key.to_owned(), value.to_owned())),
            }
        }
        if cache.kind.is_empty() {
            return Err(hinted(
                format!("{at}: `{value}` has no type"),
                "write a cache like `type=registry,ref=registry.example.com/app:cache` or `type=local,src=PATH`",
            ));
        }
        Ok(vec![cache])
    }

    /// Whether the cache is part of the image.
    #[must_use]
    pub fn is_inline(&self) -> bool {
        self.kind == "inline"
    }

    /// Whether it takes more than the layers of the image to where others read it.
    #[must_use]
    pub fn carries_intermediate_layers(&self) -> bool {
        let is_max = self.attributes.iter().any(|(key, value)| key == "mode" && value == "max");
        is_max && !matches!(self.kind.as_str(), "inline" | "local")
    }

    /// How messages name it: by its reference, if it has one.
    #[must_use]
    pub fn place(&self) -> String {
        self.reference().map_or_else(|| self.spec(), str::to_owned)
    }

    /// Whether the step fails if the cache cannot be written: BuildKit's own `ignore-error`, which is on here by default.
    #[must_use]
    pub fn must_succeed(&self) -> bool {
        self.attributes.iter().any(|(key, value)| key == "ignore-error" && value == "false")
    }

    /// The reference, if it is a cache in a registry.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        let attribute =
            self.attributes.iter().find(|(key, _)| key == "ref").filter(|_| self.kind == "registry");
        attribute.map(|(_, reference)| reference.as_str())
    }

    /// The value of the flag.
    #[must_use]
    pub fn spec(&self) -> String {
        let mut fields = vec![format!("type={}", self.kind)];
        fields.extend(self.attributes.iter().map(|(key, value)| format!("{key}={value}")));
        csv::record(fields.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    fn specs(value: &str) -> Result<Vec<String>, String> {
        let caches = Cache::parse("input `cacheFrom`", value, Path::new("/s"));
        Ok(caches.map_err(|error| render(&error))?.iter().map(Cache::spec).collect())
    }

    #[test]
    fn values_are_read_as_buildx_reads_them() {
        let table: [(&str, &[&str]); 6] = [
            ("host/app:cache", &["type=registry,ref=host/app:cache"]),
            ("host/a:1,host/b:2", &["type=registry,ref=host/a:1", "type=registry,ref=host/b:2"]),
            ("type=registry,ref=host/app:cache,mode=max", &["type=registry,ref=host/app:cache,mode=max"]),
            ("type=local,src=cache", &["type=local,src=/s/cache"]),
            (r#"type=local,"dest=/a,b""#, &[r#"type=local,"dest=/a,b""#]),
            ("type=inline", &["type=inline"]),
        ];
        for (value, expected) in table {
            assert_eq!(specs(value).expect(value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_no_cache() {
        let table = [
            ("type=local,cache", "`cache` has no `=`"),
            ("ref=host/app", "`ref=host/app` has no type"),
            ("type=s3,region=x,secret_access_key=y", "`secret_access_key` would be readable"),
            ("type=gha,token=y", "`token` would be readable"),
        ];
        for (value, expected) in table {
            let error = specs(value).expect_err(value);
            assert!(error.starts_with(&format!("input `cacheFrom`: {expected}")), "{value}: {error}");
            assert!(!error.contains("=y"), "{error}");
        }
    }
}
