//! `cargo vsix --verify`: whether a package is as it was packed, and if not, which entry is not.
//!
//! Rule: all that is wrong is found, not only the first of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use anyhow::{Result, bail};
use zip::ZipArchive;
use zip::read::read_zipfile_from_stream;

use crate::checksums;

/// The number of files in `package`, if each has its checksum.
pub(crate) fn verify(package: &[u8]) -> Result<usize> {
    let Ok(mut archive) = ZipArchive::new(Cursor::new(package)) else {
        bail!("{}", truncation(package));
    };
    let mut contents = BTreeMap::new();
    let mut faults = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let name = entry.name()?.into_owned();
        let mut bytes = Vec::new();
        match entry.read_to_end(&mut bytes) {
            _ if entry.is_dir() => {}
            Ok(_) => drop(contents.insert(name, Some(bytes))),
            Err(error) => {
                faults.push(format!("`{name}` is damaged: {error}"));
                contents.insert(name, None);
            }
        }
    }

    let Some(sums) = contents.remove(checksums::NAME).flatten() else {
        faults.push(format!("`{}` is missing: the package is not of `cargo vsix`", checksums::NAME));
        bail!(faults.join("\n"));
    };
    let sums = String::from_utf8_lossy(&sums);
    let mut sums = checksums::parse(&sums)?;
    for (name, bytes) in &contents {
        match (sums.remove(name.as_str()), bytes) {
            (None, _) => faults.push(format!("`{name}` was added: `{}` does not name it", checksums::NAME)),
            (Some(sum), Some(bytes)) if checksums::digest(bytes) != sum => {
                faults.push(format!("`{name}` differs: its SHA-256 is not the one in `{}`", checksums::NAME));
            }
            _ => {}
        }
    }
    faults.extend(sums.keys().map(|name| format!("`{name}` is missing")));
    if !faults.is_empty() {
        bail!(faults.join("\n"));
    }
    Ok(contents.len() + 1)
}

/// What is left of an archive without its table of contents.
fn truncation(package: &[u8]) -> String {
    let mut stream = package;
    let mut last: Option<String> = None;
    loop {
        let (name, whole) = match read_zipfile_from_stream(&mut stream) {
            Ok(Some(mut entry)) => {
                let name = entry.name().map_or_else(|_| "?".to_owned(), Cow::into_owned);
                (name, entry.read_to_end(&mut Vec::new()).is_ok())
            }
            Ok(None) | Err(_) => break,
        };
        if !whole {
            return format!("the package is cut off in `{name}`");
        }
        last = Some(name);
    }
    match last {
        Some(name) => format!("the package is cut off after `{name}`"),
        None => "this is no package: it does not begin like a zip archive".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{Part, parts};
    use crate::stage::tests::sample;
    use crate::vsix;

    fn package(edit: impl FnOnce(&mut Vec<Part>)) -> Vec<u8> {
        let binary: Vec<u8> = (0..10_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut parts = parts(&sample(&binary)).unwrap();
        edit(&mut parts);
        vsix::write(&parts).unwrap()
    }

    fn fault(package: &[u8]) -> String {
        verify(package).unwrap_err().to_string()
    }

    fn find(package: &[u8], text: &str) -> usize {
        package.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
    }

    #[test]
    fn a_package_as_it_was_packed_is_sound() {
        assert_eq!(verify(&package(|_| ())).unwrap(), 18);
    }

    #[test]
    fn an_entry_that_was_edited_added_or_removed_is_named() {
        let edited = package(|parts| {
            parts.retain(|part| part.name != "LICENSE");
            for part in &mut *parts {
                if part.name == "task/launcher.js" {
                    part.bytes.extend(b"// mine\n");
                }
            }
            parts.push(Part { name: "task/mine.js".to_owned(), bytes: Vec::new() });
        });
        assert_eq!(
            fault(&edited),
            "`task/launcher.js` differs: its SHA-256 is not the one in `SHA256SUMS.txt`\n\
             `task/mine.js` was added: `SHA256SUMS.txt` does not name it\n\
             `LICENSE` is missing"
        );
    }

    #[test]
    fn a_bit_that_flipped_is_found_in_its_entry() {
        let mut package = package(|_| ());
        let binary = "task/bin/linux-x64/feedbuild";
        let place = find(&package, binary) + binary.len() + 1000;
        package[place] ^= 1;
        let fault = fault(&package);
        assert!(fault.starts_with("`task/bin/linux-x64/feedbuild` is damaged: "), "{fault}");
        assert_eq!(fault.lines().count(), 1, "{fault}");
    }

    #[test]
    fn where_a_package_is_cut_off_is_told() {
        let package = package(|_| ());
        let binary = find(&package, "task/bin/linux-x64/feedbuild");
        let table = find(&package, "PK\u{1}\u{2}");
        for (length, told) in [
            (0, "this is no package: it does not begin like a zip archive"),
            (binary - 30, "the package is cut off after `task/bin/linux-x64/`"),
            (binary + 1000, "the package is cut off in `task/bin/linux-x64/feedbuild`"),
            (table + 100, "the package is cut off after `extension.vsixmanifest`"),
            (package.len() - 1, "the package is cut off after `extension.vsixmanifest`"),
        ] {
            assert_eq!(fault(&package[..length]), told, "{length}");
        }
        assert_eq!(fault(b"{}"), "this is no package: it does not begin like a zip archive");
    }

    #[test]
    fn the_package_of_another_tool_is_told_by_its_lack_of_checksums() {
        let other = package(|parts| parts.retain(|part| part.name != "SHA256SUMS.txt"));
        assert_eq!(fault(&other), "`SHA256SUMS.txt` is missing: the package is not of `cargo vsix`");
    }
}
