//! Canaries and the search for them: secrets of characters that no file has by chance, found in every form in which
//! one could leak.
//!
//! Rule: the search reads everything it is given, gzip and tar included, and forgives no form. What may hold a
//! canary is decided by the test, by who holds it.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Cursor, Read};
use std::path::Path;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use flate2::read::MultiGzDecoder;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// How much is searched at once.
const CHUNK: u64 = 1 << 20;

/// Enough to tell an archive by.
const HEAD: u64 = 512;

/// RFC 3986's unreserved characters stay as they are.
const URL_COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret that nothing in the world contains but the test's memory.
///
/// Every percent-encoding changes it (`?` and `%`), no JSON escaping does, and at each alignment base64 and base64url
/// of it differ (`???` and `~~~`).
#[must_use]
pub fn canary(name: &str) -> String {
    format!("canary-{name}-???~~~%{:016x}~", RandomState::new().build_hasher().finish())
}

/// A canary that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// Where: a path, the path within an archive behind it, or what a text is.
    pub place: String,
    /// Which canary, and in which form.
    pub form: String,
}

/// Finds canaries raw, percent-encoded, and both in base64 and base64url at any alignment.
pub struct Searcher {
    automaton: AhoCorasick,
    forms: Vec<String>,
    longest: usize,
}

impl Searcher {
    /// Searches for these secrets, given by name and value.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let (forms, patterns): (Vec<String>, Vec<Vec<u8>>) =
            secrets.into_iter().flat_map(|(name, value)| forms(name, value)).unzip();
        let longest = patterns.iter().map(Vec::len).max().expect("there is something to search for");
        let automaton = AhoCorasick::new(patterns).expect("a few dozen patterns");
        Self { automaton, forms, longest }
    }

    /// The forms that are in `bytes`.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> BTreeSet<&str> {
        self.automaton.find_iter(bytes).map(|hit| self.forms[hit.pattern()].as_str()).collect()
    }

    /// Searches bytes as they are.
    pub fn bytes(&self, place: &str, bytes: &[u8], leaks: &mut BTreeSet<Leak>) {
        let leak = |form: &str| Leak { place: place.to_owned(), form: form.to_owned() };
        leaks.extend(self.find(bytes).into_iter().map(leak));
    }

    /// Searches what `reader` gives; gzip and tar are unpacked, also one in the other.
    pub fn read(&self, place: &str, reader: &mut dyn Read, leaks: &mut BTreeSet<Leak>) -> io::Result<()> {
        let mut head = Vec::new();
        (&mut *reader).take(HEAD).read_to_end(&mut head)?;
        let (is_gzip, is_tar) = (head.starts_with(&[0x1f, 0x8b]), head.get(257..262) == Some(b"ustar"));
        let mut reader = Cursor::new(head).chain(reader);
        if is_gzip {
            return self.read(place, &mut MultiGzDecoder::new(reader), leaks);
        }
        if !is_tar {
            return self.scan(place, &mut reader, leaks);
        }
        let mut archive = tar::Archive::new(&mut reader as &mut dyn Read);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let place = format!("{place}!{}", String::from_utf8_lossy(&entry.path_bytes()));
            self.bytes(&place, place.as_bytes(), leaks);
            self.bytes(&place, entry.header().as_bytes(), leaks);
            self.bytes(&place, &entry.link_name_bytes().unwrap_or_default(), leaks);
            for extension in entry.pax_extensions()?.into_iter().flatten() {
                self.bytes(&place, extension?.value_bytes(), leaks);
            }
            self.read(&place, &mut entry, leaks)?;
        }
        // What follows the end of an archive; it also lets whoever writes it come to an end.
        self.scan(place, &mut archive.into_inner(), leaks)
    }

    /// Searches a file.
    pub fn file(&self, path: &Path, leaks: &mut BTreeSet<Leak>) -> io::Result<()> {
        self.read(&path.display().to_string(), &mut std::fs::File::open(path)?, leaks)
    }

    /// Searches every file below `root`, and the names and targets of links.
    pub fn tree(&self, root: &Path, leaks: &mut BTreeSet<Leak>) {
        for entry in walkdir::WalkDir::new(root) {
            let entry = entry.expect("the folder can be read");
            let place = entry.path().display().to_string();
            self.bytes(&place, place.as_bytes(), leaks);
            if entry.path_is_symlink() {
                let target = std::fs::read_link(entry.path()).expect("a link can be read");
                self.bytes(&place, target.as_os_str().as_encoded_bytes(), leaks);
            }
            if entry.file_type().is_file() {
                self.file(entry.path(), leaks).unwrap_or_else(|error| panic!("`{place}`: {error}"));
            }
        }
    }

    /// Keeps enough of each chunk to see what reaches into the next.
    fn scan(&self, place: &str, reader: &mut dyn Read, leaks: &mut BTreeSet<Leak>) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let read = (&mut *reader).take(CHUNK).read_to_end(&mut buffer)?;
            self.bytes(place, &buffer, leaks);
            if read == 0 {
                return Ok(());
            }
            buffer.drain(..buffer.len().saturating_sub(self.longest - 1));
        }
    }
}

/// Every form of a secret with its description.
fn forms(name: &str, value: &str) -> Vec<(String, Vec<u8>)> {
    let encoded = utf8_percent_encode(value, URL_COMPONENT).to_string();
    let plain = [
        (name.to_owned(), value.to_owned()),
        (format!("{name}, percent-encoded"), encoded.clone()),
        (format!("{name}, percent-encoded in small letters"), lower_hex(&encoded)),
    ];
    let in_base64 = plain.iter().flat_map(|(form, text)| {
        let engines = [("base64", &BASE64_STANDARD), ("base64url", &BASE64_URL_SAFE)];
        engines.into_iter().flat_map(move |(alphabet, engine)| {
            (0..3).map(move |shift| {
                (format!("{form}, {alphabet} at alignment {shift}"), aligned(engine, text, shift))
            })
        })
    });
    let plain = plain.iter().map(|(form, text)| (form.clone(), text.clone().into_bytes()));
    plain.chain(in_base64).collect()
}

/// The characters that the text alone decides when `shift` bytes stand before it.
fn aligned(engine: &GeneralPurpose, text: &str, shift: usize) -> Vec<u8> {
    let encoded = engine.encode("\0".repeat(shift) + text).into_bytes();
    let bits = 8 * (shift + text.len());
    encoded[(8 * shift).div_ceil(6)..bits / 6].to_vec()
}

/// Percent-encoding with small hexadecimal digits.
fn lower_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (digits, rest) = part.split_at(2);
        format!("{text}%{}{rest}", digits.to_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::write::GzEncoder;

    use super::*;

    fn searched(canary: &str, bytes: &[u8]) -> Vec<(String, String)> {
        let mut leaks = BTreeSet::new();
        let searcher = Searcher::new([("token", canary)]);
        searcher.read("here", &mut &bytes[..], &mut leaks).unwrap();
        leaks.into_iter().map(|leak| (leak.place, leak.form)).collect()
    }

    fn here(form: &str) -> Vec<(String, String)> {
        vec![("here".to_owned(), form.to_owned())]
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn tar(path: &str, content: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn plain_and_percent_encoded_forms_are_found() {
        let canary = canary("token");
        let digits = canary.rsplit('%').next().unwrap().to_owned();
        assert_eq!(searched(&canary, format!("x{canary}y").as_bytes()), here("token"));
        assert_eq!(
            searched(&canary, format!("http://build:canary-token-%3F%3F%3F~~~%25{digits}@host/").as_bytes()),
            here("token, percent-encoded")
        );
        assert_eq!(
            searched(&canary, format!("canary-token-%3f%3f%3f~~~%25{digits}").as_bytes()),
            here("token, percent-encoded in small letters")
        );
        assert_eq!(searched(&canary, &canary.as_bytes()[1..]), []);
    }

    #[test]
    fn base64_is_found_at_each_alignment_in_both_alphabets() {
        let canary = canary("token");
        for (alphabet, engine) in [("base64", BASE64_STANDARD), ("base64url", BASE64_URL_SAFE)] {
            for prefix in ["", "x", "xy", "xyz", "build:", "https://build:"] {
                for suffix in ["", "x", "xy", "xyz"] {
                    let encoded = engine.encode(format!("{prefix}{canary}{suffix}"));
                    let form = format!("token, {alphabet} at alignment {}", prefix.len() % 3);
                    assert_eq!(searched(&canary, encoded.as_bytes()), here(&form), "{prefix} {suffix}");
                }
            }
        }
    }

    #[test]
    fn a_percent_encoded_canary_is_found_in_base64() {
        let canary = canary("token");
        let url = format!("http://build:{}@host/", utf8_percent_encode(&canary, URL_COMPONENT));
        assert_eq!(
            searched(&canary, BASE64_STANDARD.encode(url).as_bytes()),
            here("token, percent-encoded, base64 at alignment 1")
        );
    }

    #[test]
    fn a_canary_across_chunks_is_found() {
        let canary = canary("token");
        let chunk = usize::try_from(CHUNK).unwrap();
        // The first 512 bytes are read apart.
        for boundary in [512, chunk, 2 * chunk] {
            for reach in [0, 1, canary.len() / 2, canary.len() - 1, canary.len()] {
                let mut bytes = vec![b'.'; boundary - reach];
                bytes.extend_from_slice(canary.as_bytes());
                assert_eq!(searched(&canary, &bytes), here("token"), "{boundary} {reach}");
            }
        }
    }

    #[test]
    fn a_canary_in_a_compressed_layer_of_an_archive_is_found() {
        let canary = canary("token");
        let layer = gzip(&tar("app/leak", canary.as_bytes()));
        let two_members = [gzip(b"first"), gzip(canary.as_bytes())].concat();
        assert_eq!(
            searched(&canary, &tar("blobs/sha256/a", &layer)),
            [("here!blobs/sha256/a!app/leak".to_owned(), "token".to_owned())]
        );
        assert_eq!(searched(&canary, &gzip(&layer)), [("here!app/leak".to_owned(), "token".to_owned())]);
        assert_eq!(searched(&canary, &two_members), here("token"));
        assert_eq!(searched(&canary, &tar(&canary, b"")).len(), 1);
        assert_eq!(searched(&canary, &[tar("a", b""), canary.clone().into_bytes()].concat()), here("token"));
    }

    #[test]
    fn an_archive_that_is_cut_short_is_an_error() {
        let canary = canary("token");
        let layer = gzip(&tar("app/leak", canary.as_bytes()));
        let searcher = Searcher::new([("token", canary.as_str())]);
        searcher
            .read("here", &mut &layer[..layer.len() / 2], &mut BTreeSet::new())
            .expect_err("half of it is missing");
    }
}
