//! The package's bytes: a zip archive.
//!
//! Rule: nothing but names and contents is in it. The time is zip's first day, the system FAT, the compression
//! level fixed, so that the same parts give the same bytes on every machine.

use std::collections::HashSet;
use std::io::{Cursor, Write};

use anyhow::{Context, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use crate::package::Part;

/// Above 9, what the level exceeds 9 by is how often zopfli looks for a shorter way to say the same. The first two times
/// take 3 % off a package; fifteen take 0.05 % more, in twice the time.
const LEVEL: i64 = 11;

/// FAT's attribute of a folder.
const FOLDER: u32 = 0x10;

/// The archive of `parts`, in their order, each folder before its first file.
pub(crate) fn write(parts: &[Part]) -> Result<Vec<u8>> {
    let options = SimpleFileOptions::DEFAULT
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(LEVEL))
        .with_zopfli_buffer(None)
        .last_modified_time(DateTime::DEFAULT)
        .system(System::Dos)
        .external_attributes(0);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut folders = HashSet::new();
    for Part { name, bytes } in parts {
        for (end, _) in name.match_indices('/') {
            let folder = &name[..=end];
            if folders.insert(folder) {
                zip.add_directory(folder, options.external_attributes(FOLDER))
                    .with_context(|| format!("cannot pack `{folder}`"))?;
            }
        }
        zip.start_file(name, options).with_context(|| format!("cannot pack `{name}`"))?;
        zip.write_all(bytes).with_context(|| format!("cannot pack `{name}`"))?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use zip::ZipArchive;

    use super::*;
    use crate::package::parts;
    use crate::stage::tests::sample;

    fn package(binary: &[u8]) -> Vec<u8> {
        write(&parts(&sample(binary)).unwrap()).unwrap()
    }

    #[test]
    fn entries_stand_in_the_order_of_tfx() {
        let archive = ZipArchive::new(Cursor::new(package(b"binary"))).unwrap();
        let names: Vec<_> =
            (0..archive.len()).map(|index| archive.name_for_index(index).unwrap().unwrap()).collect();
        assert_eq!(
            names,
            [
                "[Content_Types].xml",
                "extension.vsomanifest",
                "task/",
                "task/LICENSE.txt",
                "task/THIRD-PARTY-NOTICES.txt",
                "task/bin/",
                "task/bin/linux-x64/",
                "task/bin/linux-x64/feedbuild",
                "task/icon.png",
                "task/launcher.js",
                "task/post-job.js",
                "task/sbom.cdx.json",
                "task/task.json",
                "SHA256SUMS.txt",
                "images/",
                "images/log.png",
                "images/refused.png",
                "images/summary.png",
                "extension/",
                "extension/icon.png",
                "overview.md",
                "LICENSE",
                "extension.vsixmanifest",
            ]
        );
    }

    #[test]
    fn a_binary_comes_out_as_it_went_in() {
        let binary: Vec<u8> = (0..20_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut archive = ZipArchive::new(Cursor::new(package(&binary))).unwrap();
        let mut bytes = Vec::new();
        archive.by_name("task/bin/linux-x64/feedbuild").unwrap().read_to_end(&mut bytes).unwrap();
        assert!(bytes == binary);
    }

    #[test]
    fn no_entry_tells_of_time_system_or_mode() {
        let mut archive = ZipArchive::new(Cursor::new(package(b"binary"))).unwrap();
        for index in 0..archive.len() {
            let entry = archive.by_index(index).unwrap();
            let name = entry.name().unwrap();
            assert_eq!(entry.external_attributes(), if name.ends_with('/') { FOLDER } else { 0 }, "{name}");
            assert_eq!(entry.system(), System::Dos, "{name}");
            assert_eq!(entry.last_modified().unwrap().to_string(), "1980-01-01 00:00:00", "{name}");
            assert_eq!(entry.extra_data().unwrap_or_default(), b"", "{name}");
        }
    }

    #[test]
    fn the_same_parts_give_the_same_bytes_and_others_do_not() {
        assert!(package(b"binary") == package(b"binary"));
        assert!(package(b"binary") != package(b"other"));
    }
}
