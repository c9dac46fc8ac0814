//! What a Dockerfile copies out of build contexts: the sources of `COPY` and `ADD` in the stages that the target reaches.
//!
//! Rule: a source that only the build knows is left out; whoever warns by this list warns of what is certain.
//!
//! Files that a `RUN --mount=type=bind` shows are not copied, and `ADD` fetches URLs and git repositories from elsewhere
//! (`dockerfile2llb/convert_copy.go` of moby/buildkit).

use std::collections::BTreeMap;

use super::stage::Stages;
use super::syntax::Instruction;
use super::word;

/// One `COPY` or `ADD` from a build context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextCopy {
    /// `COPY` or `ADD`.
    pub keyword: String,
    /// The name of `--from`, which is no stage; `None` is the build context. It may also be an image.
    pub context: Option<String>,
    /// Paths in the context, perhaps with wildcards.
    pub sources: Vec<String>,
    /// Whether the sources are patterns of whole paths (`--parents`).
    pub parents: bool,
    /// The patterns of `--exclude`.
    pub excludes: Vec<String>,
    /// The line on which the instruction begins, from 1.
    pub line: usize,
    /// The stage's name, or `stage-N`.
    pub stage: String,
}

/// Every copy from a context that a build of `target` (the last stage without one) reaches, in the order of the stages.
pub fn context_copies(
    dockerfile: &str,
    target: Option<&str>,
    build_args: &BTreeMap<String, String>,
) -> anyhow::Result<Vec<ContextCopy>> {
    let stages = Stages::parse(dockerfile, build_args)?;
    let mut copies = Vec::new();
    for index in stages.reached(target)? {
        stages.walk(index, &mut |instruction, variables| {
            if !matches!(instruction.keyword.as_str(), "COPY" | "ADD") {
                return;
            }
            let from = instruction.flag_values("from").last();
            if from.is_some_and(|from| stages.is_stage(from)) {
                return;
            }
            let expand = |word: &str| stages.resolve(word, variables);
            let sources: Vec<String> = words(instruction, stages.escape())
                .iter()
                .filter_map(|word| expand(word))
                .filter(|source| !is_remote(source))
                .collect();
            if !sources.is_empty() {
                copies.push(ContextCopy {
                    keyword: instruction.keyword.clone(),
                    context: from.map(str::to_owned),
                    sources,
                    parents: instruction.has_switch("parents"),
                    excludes: instruction.flag_values("exclude").filter_map(expand).collect(),
                    line: instruction.line,
                    stage: stages.display_name(index),
                });
            }
        });
    }
    Ok(copies)
}

/// The sources as they are written: all words but the last, also in the form of a JSON array, less here-documents.
fn words(instruction: &Instruction, escape: char) -> Vec<String> {
    let mut words = serde_json::from_str(&instruction.arguments)
        .unwrap_or_else(|_| word::split(&instruction.arguments, escape));
    words.pop();
    words.retain(|word: &String| !word.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with("<<"));
    words
}

fn is_remote(source: &str) -> bool {
    source.contains("://") || source.starts_with("git@") || source.starts_with("github.com/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each copy on a line of its own.
    fn outline(dockerfile: &str, target: Option<&str>) -> Vec<String> {
        let build_args = [("SET".to_owned(), "given".to_owned())].into();
        let show = |copy: ContextCopy| {
            let from = copy.context.map(|name| format!(" from {name}")).unwrap_or_default();
            let parents = if copy.parents { " with parents" } else { "" };
            let excludes = if copy.excludes.is_empty() {
                String::new()
            } else {
                format!(" but {}", copy.excludes.join(" "))
            };
            let (line, keyword, sources) = (copy.line, copy.keyword, copy.sources.join(" "));
            format!("{line} {}: {keyword} {sources}{from}{parents}{excludes}", copy.stage)
        };
        context_copies(dockerfile, target, &build_args).unwrap().into_iter().map(show).collect()
    }

    #[test]
    fn sources_are_what_is_copied_from_contexts() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("words", "FROM a\nCOPY x \"y z\" /d", &["2 stage-0: COPY x y z"]),
            ("array", "FROM a\nCOPY [\"x y\", \"/d\"]", &["2 stage-0: COPY x y"]),
            ("flags", "FROM a\nCOPY --chown=1 --link . .", &["2 stage-0: COPY ."]),
            ("variables", "FROM a\nARG SET\nENV B=b\nCOPY $SET/$B /d", &["4 stage-0: COPY given/b"]),
            ("a variable of the base image", "FROM a\nCOPY $HOME x /d", &["2 stage-0: COPY x"]),
            (
                "here-documents",
                "FROM a\nCOPY <<EOF 3<<-\"E\" x /d\nEOF\nE\nCOPY <<E /d\nE",
                &["2 stage-0: COPY x"],
            ),
            ("remote", "FROM a\nADD https://h/x git@h:r.git x.tar /d", &["2 stage-0: ADD x.tar"]),
            ("from a stage", "FROM a AS b\nFROM c\nCOPY --from=b x .\nCOPY --from=0 x .", &[]),
            ("from a context or image", "FROM a\nCOPY --from=lib x .", &["2 stage-0: COPY x from lib"]),
            (
                "parents and excludes",
                "FROM a\nCOPY --parents --exclude=*.md --exclude=x ./**/y /d",
                &["2 stage-0: COPY ./**/y with parents but *.md x"],
            ),
            ("mounts", "FROM a\nRUN --mount=type=bind,source=x,target=/x make", &[]),
            ("triggers", "FROM a AS b\nONBUILD COPY x /d\nFROM b", &["2 stage-1: COPY x"]),
            ("no source", "FROM a\nCOPY x", &[]),
        ];
        for (name, dockerfile, expected) in cases {
            assert_eq!(outline(dockerfile, None), *expected, "{name}");
        }
    }

    #[test]
    fn only_stages_that_the_target_reaches_count() {
        let dockerfile = "FROM a AS b\nCOPY 1 .\nFROM a AS c\nCOPY 2 .\nFROM c\nCOPY --from=b x .\nCOPY 3 .";
        assert_eq!(outline(dockerfile, Some("c")), ["4 c: COPY 2"]);
        assert_eq!(outline(dockerfile, None), ["2 b: COPY 1", "4 c: COPY 2", "7 stage-2: COPY 3"]);
    }
}
