//! The package for all platforms, as a file.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;

use feedbuild_platforms::task;
use feedbuild_suites::variable;
use walkdir::WalkDir;

fn files() -> Vec<String> {
    let mut files: Vec<String> = WalkDir::new(task())
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.path().strip_prefix(task()).unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    files
}

#[test]
fn one_task_folder_has_a_binary_for_every_platform() {
    assert_eq!(
        files(),
        [
            "LICENSE.txt",
            "THIRD-PARTY-NOTICES.txt",
            "bin/linux-arm64/feedbuild",
            "bin/linux-x64/feedbuild",
            "bin/osx-arm64/feedbuild",
            "bin/osx-x64/feedbuild",
            "bin/win-arm64/feedbuild.exe",
            "bin/win-x64/feedbuild.exe",
            "icon.png",
            "launcher.js",
            "post-job.js",
            "sbom.cdx.json",
            "task.json",
        ]
    );
}

#[test]
fn it_is_small_enough_for_every_agent_to_load() {
    let bytes = fs::metadata(variable("FEEDBUILD_TEST_PACKAGE")).unwrap().len();
    assert!(bytes <= 12_000_000, "{bytes} bytes");
}

#[test]
fn no_binary_tells_where_it_was_built() {
    let here = [env!("CARGO_MANIFEST_DIR").to_owned(), variable("HOME"), variable("FEEDBUILD_TEST_CACHE")];
    for platform in feedbuild_platforms::PLATFORMS {
        let bytes = fs::read(feedbuild_platforms::binary(platform)).unwrap();
        for place in &here {
            let found = bytes.windows(place.len()).any(|window| window == place.as_bytes());
            assert!(!found, "{platform}: {place}");
        }
    }
}
