//! `THIRD-PARTY-NOTICES.txt`: the license texts of all that is linked into the binaries. Pure.
//!
//! Rule: a text that several crates share stands once, below all their names.

use std::fmt::Write as _;

use crate::dependency::Dependency;
use crate::platform::{Libc, Platform};

const RULE: &str = "================================================================================";

/// What is linked besides crates.
pub(crate) struct Runtime {
    pub(crate) name: &'static str,
    /// SPDX expression.
    pub(crate) license: &'static str,
    text: &'static str,
    /// Where; everywhere if nothing is named.
    libc: Option<Libc>,
}

const RUNTIMES: [Runtime; 4] = [
    Runtime {
        name: "Rust standard library",
        license: "MIT OR Apache-2.0",
        text: include_str!("../notices/rust.txt"),
        libc: None,
    },
    Runtime {
        name: "LLVM runtimes (compiler-rt, libunwind)",
        license: "Apache-2.0 WITH LLVM-exception",
        text: include_str!("../notices/llvm.txt"),
        libc: None,
    },
    Runtime {
        name: "musl",
        license: "MIT",
        text: include_str!("../notices/musl.txt"),
        libc: Some(Libc::Musl),
    },
    Runtime {
        name: "mingw-w64 runtime",
        license: "ZPL-2.1",
        text: include_str!("../notices/mingw-w64.txt"),
        libc: Some(Libc::Windows),
    },
];

/// What is linked into the binaries for these platforms besides crates.
pub(crate) fn runtimes(platforms: &[&'static Platform]) -> impl Iterator<Item = &'static Runtime> {
    let has = |libc| platforms.iter().any(|platform| platform.libc == libc);
    const { &RUNTIMES }.iter().filter(move |runtime| runtime.libc.is_none_or(has))
}

/// The text for these platforms and what is linked into their binaries.
pub(crate) fn render(dependencies: &[Dependency], platforms: &[&'static Platform]) -> String {
    let mut notices: Vec<(Vec<String>, &str)> = runtimes(platforms)
        .map(|Runtime { name, license, text, .. }| (vec![format!("{name} ({license})")], *text))
        .collect();
    for Dependency { name, version, license, texts, .. } in dependencies {
        for text in texts {
            let heading = format!("{name} {version} ({license})");
            match notices.iter_mut().find(|(_, known)| same(known, text)) {
                Some((headings, _)) => headings.push(heading),
                None => notices.push((vec![heading], text)),
            }
        }
    }
    let mut file = String::from(
        "The binaries of this task hold the following software, under the licenses that are shown.\n",
    );
    for (headings, text) in notices {
        let _ =
            write!(file, "\n{RULE}\n{}\n{RULE}\n\n{}\n", headings.join("\n"), text.replace('\r', "").trim());
    }
    file
}

/// Texts that differ in white space alone say the same.
fn same(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependency::tests::dependency;
    use crate::platform;

    #[test]
    fn a_shared_text_stands_once() {
        let platforms = [platform::named("osx-x64").unwrap()];
        let dependencies =
            [dependency("a", &["the\r\nterms\n", "a's own"]), dependency("b", &["the  terms", "b's own"])];
        let text = render(&dependencies, &platforms);
        let start = text
            .find("\n================================================================================\na ")
            .unwrap();
        assert_eq!(
            text[start..].replace(RULE, "==="),
            "\n===\na 1.2.3+x (MIT)\nb 1.2.3+x (MIT)\n===\n\nthe\nterms\n\
             \n===\na 1.2.3+x (MIT)\n===\n\na's own\n\
             \n===\nb 1.2.3+x (MIT)\n===\n\nb's own\n"
        );
    }

    #[test]
    fn a_c_library_is_named_where_it_is_linked() {
        let names = |name| -> Vec<_> {
            runtimes(&[platform::named(name).unwrap()]).map(|runtime| runtime.name).skip(2).collect()
        };
        assert_eq!(
            [names("linux-x64"), names("win-arm64"), names("osx-arm64")],
            [vec!["musl"], vec!["mingw-w64 runtime"], vec![]]
        );
    }
}
