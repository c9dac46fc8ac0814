//! What a walk finds in archives of every kind, and what it makes of broken and hostile ones.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use proptest::prelude::*;

use super::archive::{Limits, Reason, Walk, Walked};
use super::fixture::{SECRET, gzip, searcher, streamed_zip, tar, zip, zstd};

fn walk(layer: &mut dyn Read, limits: &Limits) -> (Walked, io::Result<()>) {
    let searcher = searcher();
    Walk::new(&searcher, limits, Rc::new(Cell::new(limits.total)), &|path| path.ends_with("allowed"))
        .layer(layer)
}

fn read(mut layer: &[u8]) -> (Walked, io::Result<()>) {
    walk(&mut layer, &Limits::default())
}

/// The hits as `path@offset`.
fn places(walked: &Walked) -> Vec<String> {
    let place = |hit: &super::archive::FileHit| {
        let offset = if hit.in_header { "name".to_owned() } else { hit.hit.offset.to_string() };
        format!("{}@{offset}", hit.path.join("!"))
    };
    walked.hits.iter().map(place).collect()
}

fn reasons(walked: &Walked) -> Vec<(String, String)> {
    walked.unopened.iter().map(|all| (all.path.join("!"), all.reason.to_string())).collect()
}

fn secret_at(offset: usize) -> Vec<u8> {
    [vec![b'.'; offset], SECRET.as_bytes().to_vec(), b"\n".to_vec()].concat()
}

fn header(path: &str, kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_path(path).expect("it fits");
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header
}

/// An extended header of these records, `length key=value\n`.
fn extended(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| {
        let rest = format!(" {key}={value}\n");
        let len = (rest.len()..rest.len() + 5).find(|len| len.to_string().len() + rest.len() == *len);
        format!("{}{rest}", len.expect("there is one"))
    };
    let records: String = records.iter().map(record).collect();
    let mut bytes = header("x", tar::EntryType::XHeader, records.len() as u64).as_bytes().to_vec();
    bytes.extend(in_blocks(records.as_bytes()));
    bytes
}

/// With zeros behind it up to a whole block.
fn in_blocks(content: &[u8]) -> Vec<u8> {
    let mut blocks = content.to_vec();
    blocks.resize(content.len().next_multiple_of(512), 0);
    blocks
}

#[test]
fn a_needle_is_found_in_every_kind_of_archive() {
    let file = secret_at(5);
    let inner = |name| vec![("other", b"-".as_slice()), (name, &file)];
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("app/plain", file.clone(), "app/plain@5"),
        ("app/x.gz", gzip(&file), "app/x.gz@5"),
        ("app/x.zst", zstd(&file), "app/x.zst@5"),
        ("two members", [gzip(b"one"), gzip(&file)].concat(), "two members@8"),
        ("two frames", [zstd(b"one"), zstd(&file)].concat(), "two frames@8"),
        ("x.whl", zip(&inner("a/b.pyc")), "x.whl!a/b.pyc@5"),
        ("x.jar", streamed_zip(&inner("a/b.class")), "x.jar!a/b.class@5"),
        ("x.tar", tar(&inner("y")), "x.tar!y@5"),
        ("x.tgz", gzip(&tar(&inner("y"))), "x.tgz!y@5"),
        ("x.tar.zst", zstd(&tar(&inner("y"))), "x.tar.zst!y@5"),
        ("x.nupkg", zip(&[("y.tgz", &gzip(&tar(&inner("z"))))]), "x.nupkg!y.tgz!z@5"),
        ("x.gz", gzip(&zip(&inner("y"))), "x.gz!y@5"),
        ("run.pex", [b"#!/usr/bin/python3\n".to_vec(), zip(&inner("y"))].concat(), "run.pex!y@5"),
        (SECRET, b"-".to_vec(), "s3cr3t-of-the-feed@name"),
    ];
    for (name, content, expected) in table {
        let layer = tar(&[("before", b"-"), (name, &content), ("after", b"-")]);
        for layer in [layer.clone(), gzip(&layer), zstd(&layer)] {
            let (walked, result) = read(&layer);
            result.expect(name);
            assert_eq!(places(&walked), [expected], "{name}");
            assert_eq!(reasons(&walked), [], "{name}");
        }
    }
}

#[test]
fn one_finding_a_needle_and_file_and_allowed_ones_apart() {
    let twice = [secret_at(3), secret_at(70_000)].concat();
    let (walked, _) = read(&tar(&[("a", &twice), ("b", &secret_at(0)), ("c/allowed", &secret_at(0))]));
    assert_eq!(places(&walked), ["a@3", "b@0"]);
    assert_eq!(walked.allowed.iter().map(|hit| hit.path.join("!")).collect::<Vec<_>>(), ["c/allowed"]);
}

#[test]
fn a_file_full_of_needles_takes_no_memory() {
    let (walked, result) = read(&tar(&[("a", &SECRET.repeat(200_000).into_bytes()), ("b", b"-")]));
    result.expect("it is a tar");
    assert_eq!(places(&walked), ["a@0"]);
}

#[test]
fn what_is_not_opened_is_said() {
    let mut encrypted = zip(&[("a", b"content")]);
    encrypted[6] |= 1;
    let mut bzip2 = zip(&[("a", b"content")]);
    bzip2[8] = 12;
    let mut torn = gzip(&[secret_at(0), vec![7; 1000]].concat());
    torn.truncate(torn.len() - 9);
    let mut wrong_sum = gzip(b"content");
    let end = wrong_sum.len() - 8;
    wrong_sum[end] ^= 1;
    let mut torn_tar = tar(&[("x", &[1; 2000]), ("y", b"-")]);
    torn_tar.truncate(1000);
    let mut torn_zip = zip(&[("x", b"content")]);
    torn_zip.truncate(20);
    let deep = gzip(&tar(&[("b.tgz", &gzip(&tar(&[("c.gz", &gzip(&secret_at(0)))])))]));
    let table: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("a.zip", encrypted, "a.zip!a", "it is encrypted"),
        ("a.zip", bzip2, "a.zip!a", "zip's compression method 12 is not known"),
        ("a.gz", torn, "a.gz", "it is damaged: incomplete deflate stream"),
        ("a.gz", wrong_sum, "a.gz", "it is damaged: corrupt gzip stream does not have a matching checksum"),
        ("a.tar", torn_tar, "a.tar", "it is damaged: unexpected end of file"),
        ("a.zip", torn_zip, "a.zip", "it is damaged: failed to fill whole buffer"),
        ("a.tgz", deep, "a.tgz!b.tgz!c.gz", "it lies more than 2 archives deep"),
        ("a.xz", b"\xfd7zXZ\0\0\x04".to_vec(), "a.xz", "xz is not opened"),
        ("a.zst", b"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff".to_vec(), "a.zst", ""),
    ];
    for (name, content, path, reason) in table {
        let (walked, result) = read(&tar(&[(name, &content), ("after", &secret_at(1))]));
        result.expect(path);
        let found = reasons(&walked);
        assert_eq!((found.len(), found[0].0.as_str()), (1, path), "{found:?}");
        assert!(found[0].1.starts_with(reason), "{found:?}");
        assert_eq!(places(&walked).last().map(String::as_str), Some("after@1"), "{path}");
    }
}

#[test]
fn a_torn_archive_is_searched_as_far_as_it_goes() {
    let mut torn = gzip(&[secret_at(0), (0..100_000u32).flat_map(u32::to_le_bytes).collect()].concat());
    torn.truncate(torn.len() / 2);
    let (walked, result) = read(&tar(&[("a.gz", &torn)]));
    result.expect("the layer is whole");
    assert_eq!(places(&walked), ["a.gz@0"]);
}

#[test]
fn bombs_are_not_followed() {
    let zeros = vec![0; 1 << 20];
    let limits = Limits { ratio: 10, least: 1 << 16, total: 1 << 18, ..Limits::default() };
    let bomb = gzip(&zeros);
    let many: Vec<(String, &[u8])> = (0..10).map(|n| (format!("{n}.gz"), bomb.as_slice())).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bomb)| (name.as_str(), *bomb)).collect();
    for content in [
        bomb.clone(),
        zstd(&zeros),
        zip(&[("zeros", &zeros)]),
        streamed_zip(&[("zeros", &zeros)]),
        zip(&many),
    ] {
        let (walked, result) =
            walk(&mut tar(&[("bomb", &content), ("after", &secret_at(0))]).as_slice(), &limits);
        result.expect("the layer is whole");
        assert!(walked.unopened.iter().all(|all| all.reason == Reason::TooLarge), "{:?}", walked.unopened);
        assert!(!walked.unopened.is_empty());
        assert!(walked.bytes < 1 << 20, "{}", walked.bytes);
        assert_eq!(places(&walked), ["after@0"]);
    }
}

#[test]
fn a_layer_that_cannot_be_read_is_an_error_and_searched_all_the_same() {
    let whole = tar(&[("a", &[1; 2000]), ("b", &secret_at(0))]);
    let mut bad_sum = whole.clone();
    bad_sum[150] ^= 1;
    let mut negative = whole.clone();
    negative[124..136].copy_from_slice(&[0xff; 12]);
    let torn_gzip = gzip(&whole);
    let table: Vec<(&str, Vec<u8>, bool)> = vec![
        ("a header that is none", bad_sum, true),
        ("a negative size", negative, true),
        ("an end within a file", whole[..1024].to_vec(), false),
        ("an end within a header", whole[..3000].to_vec(), false),
        ("an end of the compression", torn_gzip[..torn_gzip.len() - 4].to_vec(), true),
        ("no archive at all", secret_at(0), true),
        ("another compression", b"\xfd7zXZ\0\0\x04".repeat(100), false),
        ("a gzip of no tar", gzip(&secret_at(0)), true),
    ];
    for (name, layer, has_secret) in table {
        let (walked, result) = read(&layer);
        assert!(result.is_err(), "{name}");
        assert_eq!(!walked.hits.is_empty(), has_secret, "{name}");
    }
}

/// What `podman push --compression-format zstd:chunked` makes: a frame for each file, and skippable ones with a table of
/// contents and the footer (containers/storage, `pkg/chunked/internal/minimal`).
#[test]
fn a_chunked_layer_is_read_as_the_stream_that_it_is() {
    let skippable = |content: &[u8]| {
        [&b"\x50\x2a\x4d\x18"[..], &u32::try_from(content.len()).expect("little").to_le_bytes(), content]
            .concat()
    };
    let layer = tar(&[("a", b"-"), ("app/.npmrc", &secret_at(7))]);
    let (head, rest) = layer.split_at(512);
    let contents = zstd(br#"{"version":1,"entries":[{"type":"reg","name":"a"}]}"#);
    let chunked =
        [zstd(head), zstd(rest), skippable(&contents), skippable(b"\x01\0\0\0\0\0\0\0GNUlInUx")].concat();
    let (walked, result) = read(&chunked);
    result.expect("it is a layer");
    assert_eq!(places(&walked), ["app/.npmrc@7"]);
    let (_, result) = read(&chunked[..chunked.len() - 1]);
    assert_eq!(result.map_err(|error| error.kind()), Err(io::ErrorKind::UnexpectedEof));
}

#[test]
fn an_empty_layer_is_a_layer() {
    for layer in [vec![], vec![0; 512], vec![0; 1024], gzip(&[]), gzip(&[0; 10_240]), zstd(&[0; 1024])] {
        let (walked, result) = read(&layer);
        result.expect("it is empty");
        assert_eq!(places(&walked).len(), 0);
    }
}

#[test]
fn names_are_only_data() {
    let long = format!("{}/{SECRET}", "d/".repeat(200));
    let names = ["../../etc/passwd", "/root/x", "a\nb", "##vso[task.complete]", &long];
    let mut builder = tar::Builder::new(Vec::new());
    for name in names {
        let mut header = tar::Header::new_gnu();
        header.set_size(SECRET.len() as u64);
        if name.len() < 100 {
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, SECRET.as_bytes()).expect("memory is no obstacle");
        } else {
            builder.append_data(&mut header, name, SECRET.as_bytes()).expect("memory is no obstacle");
        }
    }
    let (walked, result) = read(&builder.into_inner().expect("memory is no obstacle"));
    result.expect("it is a tar");
    let paths: Vec<&str> = walked.hits.iter().map(|hit| hit.path[0].as_str()).collect();
    assert_eq!(paths, ["../../etc/passwd", "root/x", "a\nb", "##vso[task.complete]", &long]);
}

#[test]
fn extended_headers_are_read_as_the_engine_reads_them() {
    // An attribute with line breaks, a path, and a size that the header doesn't have.
    let records = [("SCHILY.xattr.user.x", "a\n9 b=c\n"), ("path", "long/name"), ("size", "700")];
    let mut layer = extended(&records);
    layer.extend(header("short", tar::EntryType::Regular, 0).as_bytes());
    layer.extend([secret_at(600), vec![0; 1024]].concat().into_iter().take(1024));
    layer.extend(tar(&[("next", &secret_at(0))]));
    let (walked, result) = read(&layer);
    result.expect("it is a tar");
    assert_eq!(places(&walked), ["long/name@600", "next@0"]);
}

#[test]
fn an_extended_header_without_end_is_refused() {
    let header = header("x", tar::EntryType::XHeader, 1 << 40);
    let mut endless = header.as_bytes().chain(io::repeat(b'a')).take(10 << 20);
    let (_, result) = walk(&mut endless, &Limits::default());
    assert_eq!(result.map_err(|error| error.to_string()), Err("an extended header is too long".to_owned()));
}

/// 20 GiB, which no header has room for in octal digits: the most are 8.
const HUGE: u64 = 20 << 30;

#[test]
fn a_layer_of_twenty_gibibytes_takes_no_memory() {
    let searcher = searcher();
    let headers = [
        // In the header, base 256 (GNU), and in a record (POSIX).
        header("zeros", tar::EntryType::Regular, HUGE).as_bytes().to_vec(),
        [
            extended(&[("size", &HUGE.to_string())]),
            header("zeros", tar::EntryType::Regular, 0).as_bytes().to_vec(),
        ]
        .concat(),
    ];
    let before = peak_memory();
    for (head, size) in headers.iter().zip([HUGE, HUGE / 10]) {
        let after = tar(&[("after", &secret_at(2))]);
        // The second one ends early, so that it takes less time.
        let mut layer = head.chain(io::repeat(0).take(size)).chain(after.as_slice());
        let limits = Limits::default();
        let left = Rc::new(Cell::new(limits.total));
        let (walked, result) = Walk::new(&searcher, &limits, left, &|_| false).layer(&mut layer);
        assert_eq!(result.is_ok(), size == HUGE, "{result:?}");
        assert_eq!(walked.bytes, (head.len() + after.len()) as u64 + size);
        let place = if size == HUGE { "after@2".to_owned() } else { format!("zeros@{}", size + 514) };
        assert_eq!(places(&walked), [place]);
    }
    assert!(peak_memory() - before < 256 << 20, "{before} bytes before, {} after", peak_memory());
}

/// The most memory that this process had so far, in bytes.
#[cfg(target_os = "linux")]
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
    peak.trim_end_matches("kB").trim().parse::<u64>().expect("a number") * 1024
}

#[cfg(not(target_os = "linux"))]
fn peak_memory() -> u64 {
    0
}

#[test]
fn sparse_files_of_twenty_gibibytes_are_as_long_as_what_they_hold() {
    let mut gnu = header("gnu", tar::EntryType::GNUSparse, SECRET.len() as u64);
    let realsize = &mut gnu.as_gnu_mut().expect("it is one").realsize;
    realsize[0] = 0x80;
    realsize[4..].copy_from_slice(&HUGE.to_be_bytes());
    gnu.set_cksum();
    let size = HUGE.to_string();
    let at = (HUGE - SECRET.len() as u64).to_string();
    let len = SECRET.len().to_string();
    let map = format!("1\n{at}\n{len}\n");
    let entry = |records: &[(&str, &str)], name: &str, content: &[u8]| {
        let header = header(name, tar::EntryType::Regular, content.len() as u64);
        [extended(records), header.as_bytes().to_vec(), in_blocks(content)].concat()
    };
    // GNU tar's formats: old, POSIX 0.0, 0.1 and 1.0, of which the last has its map before the content.
    let layer = [
        gnu.as_bytes().to_vec(),
        in_blocks(SECRET.as_bytes()),
        entry(
            &[
                ("GNU.sparse.size", &size),
                ("GNU.sparse.numblocks", "1"),
                ("GNU.sparse.offset", &at),
                ("GNU.sparse.numbytes", &len),
            ],
            "posix-0.0",
            SECRET.as_bytes(),
        ),
        entry(
            &[
                ("GNU.sparse.size", &size),
                ("GNU.sparse.numblocks", "1"),
                ("GNU.sparse.map", &format!("{at},{len}")),
                ("GNU.sparse.name", "posix-0.1"),
            ],
            "GNUSparseFile.1/posix-0.1",
            SECRET.as_bytes(),
        ),
        entry(
            &[
                ("GNU.sparse.major", "1"),
                ("GNU.sparse.minor", "0"),
                ("GNU.sparse.name", "posix-1.0"),
                ("GNU.sparse.realsize", &size),
            ],
            "GNUSparseFile.1/posix-1.0",
            &[in_blocks(map.as_bytes()), SECRET.into()].concat(),
        ),
        tar(&[("end", &secret_at(1))]),
    ]
    .concat();
    let (walked, result) = read(&layer);
    result.expect("it is a tar");
    assert_eq!(places(&walked), ["gnu@0", "posix-0.0@0", "posix-0.1@0", "posix-1.0@512", "end@1"]);
    assert_eq!(walked.bytes, layer.len() as u64);
}

#[test]
fn sparse_files_links_and_deletions_are_passed() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut sparse = tar::Header::new_gnu();
    sparse.set_path("sparse").expect("it fits");
    sparse.set_entry_type(tar::EntryType::GNUSparse);
    sparse.set_size(SECRET.len() as u64);
    sparse.as_gnu_mut().expect("it is one").isextended = [1];
    sparse.set_cksum();
    let mut more = [0; 1024];
    more[504] = 1;
    builder.append(&sparse, io::empty()).expect("memory is no obstacle");
    let mut layer = builder.into_inner().expect("memory is no obstacle");
    layer.truncate(512);
    layer.extend(more);
    layer.extend(SECRET.as_bytes().iter().copied().chain([0; 512]).take(512));
    // Whatever its size says, a link has no content.
    let mut link = header("link", tar::EntryType::Link, 12);
    link.set_link_name("sparse").expect("it fits");
    link.set_cksum();
    layer.extend(link.as_bytes());
    layer.extend(tar(&[("a/.wh.b", b""), ("c/.wh..wh..opq", b""), (".wh.d", b""), ("end", &secret_at(0))]));
    let (walked, result) = read(&layer);
    result.expect("it is a tar");
    assert_eq!(places(&walked), ["sparse@0", "end@0"]);
    assert_eq!(walked.deleted, ["a/b", "c", "d"]);
}

proptest! {
    /// However much of what is broken, a walk ends and says no nonsense.
    #[test]
    fn no_bytes_make_a_walk_fail(
        change in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        cut in any::<prop::sample::Index>(),
        is_compressed: bool,
    ) {
        let inner = zip(&[("x", &secret_at(3)), ("y.tgz", &gzip(&tar(&[("z", b"-")])))]);
        let mut bytes = tar(&[("a.zip", &inner), ("b.zst", &zstd(&secret_at(9))), ("c.tar", &tar(&[("d", b"-")]))]);
        for (at, byte) in change {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 2));
        let bytes = if is_compressed { gzip(&bytes) } else { bytes };
        let (walked, _) = read(&bytes);
        prop_assert!(walked.bytes < 1 << 20);
    }
}
