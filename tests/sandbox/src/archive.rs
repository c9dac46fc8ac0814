//! Archives in memory, whose bytes depend on nothing but what is put in.

use std::io::{Cursor, Write};

use flate2::{Compression, write::GzEncoder};
use zip::{ZipWriter, write::SimpleFileOptions};

/// A zip of these paths and texts.
pub(crate) fn zip<P: AsRef<str>>(files: &[(P, String)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        let options = SimpleFileOptions::default();
        archive.start_file(path.as_ref(), options).expect("the paths of a package are distinct");
        archive.write_all(text.as_bytes()).expect("memory takes all bytes");
    }
    archive.finish().expect("memory takes all bytes").into_inner()
}

/// A gzipped tar of these paths and texts.
pub(crate) fn tar_gz<P: AsRef<str>>(files: &[(P, String)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, path.as_ref(), text.as_bytes())
            .expect("the paths of a package are short, and memory takes all bytes");
    }
    archive.into_inner().and_then(GzEncoder::finish).expect("memory takes all bytes")
}
