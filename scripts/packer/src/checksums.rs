//! `SHA256SUMS.txt`: the digest of every other file of the package, as `sha256sum` writes it. Pure.
//!
//! Rule: it tells a package that was damaged or edited, not one that somebody else has made: for that, build the
//! sources and compare.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use crate::package::Part;

/// Its name, in the package and in the manifest.
pub(crate) const NAME: &str = "SHA256SUMS.txt";

/// The SHA-256 of `bytes` in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// The text for `parts`.
pub(crate) fn render(parts: &[Part]) -> String {
    parts.iter().filter(|part| part.name != NAME).fold(String::new(), |mut text, part| {
        let _ = writeln!(text, "{}  {}", digest(&part.bytes), part.name);
        text
    })
}

/// The digests by file name.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<&str, &str>> {
    let line = |line| {
        let (digest, name) = str::split_once(line, "  ").with_context(|| format!("no digest in `{line}`"))?;
        Ok((name, digest))
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_is_parsed() {
        let part = |name: &str, bytes: &[u8]| Part { name: name.to_owned(), bytes: bytes.to_vec() };
        let text = render(&[part("a b", b"x"), part(NAME, b"old"), part("c", b"")]);
        let x = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(text, format!("{x}  a b\n{nothing}  c\n"));
        assert_eq!(parse(&text).unwrap(), BTreeMap::from([("a b", x), ("c", nothing)]));
        assert_eq!(parse("word").unwrap_err().to_string(), "no digest in `word`");
    }
}
