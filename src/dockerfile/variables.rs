//! The names of the variables that a Dockerfile declares, in the stages that the target reaches.

use std::collections::BTreeMap;

use super::stage::Stages;
use super::word;

/// A name in an `ARG` or `ENV`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// `ARG` or `ENV`.
    pub keyword: String,
    /// The name.
    pub name: String,
    /// The line on which the instruction begins, from 1.
    pub line: usize,
}

/// Every name that a build of `target` (the last stage without one) declares. An `ARG` before the first `FROM` is in no
/// stage.
pub fn declarations(
    dockerfile: &str,
    target: Option<&str>,
    build_args: &BTreeMap<String, String>,
) -> anyhow::Result<Vec<Declaration>> {
    let stages = Stages::parse(dockerfile, build_args)?;
    let mut declarations = Vec::new();
    for index in stages.reached(target)? {
        stages.walk(index, &mut |instruction, _| {
            let words = word::split(&instruction.arguments, stages.escape());
            let names: Vec<&str> = match instruction.keyword.as_str() {
                // `ENV name value` has one name.
                "ENV" if words.first().is_some_and(|word| !word.contains('=')) => vec![&words[0]],
                "ARG" | "ENV" => words.iter().map(|word| word.split('=').next().unwrap_or(word)).collect(),
                _ => Vec::new(),
            };
            declarations.extend(names.into_iter().map(|name| Declaration {
                keyword: instruction.keyword.clone(),
                name: name.to_owned(),
                line: instruction.line,
            }));
        });
    }
    Ok(declarations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_forms_are_found() {
        let dockerfile =
            "ARG GLOBAL=1\nFROM a AS b\nARG A B=\"x y\"\nENV C=1 D='2 3'\nENV E f g\nRUN x\nFROM a\nARG F";
        let outline = |target| {
            let found = declarations(dockerfile, target, &BTreeMap::new()).unwrap();
            let show = |d: &Declaration| format!("{} {} {}", d.line, d.keyword, d.name);
            found.iter().map(show).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(outline(Some("b")), "3 ARG A, 3 ARG B, 4 ENV C, 4 ENV D, 5 ENV E");
        assert_eq!(outline(None), "8 ARG F");
    }
}
