//! Where an instruction stands, for builders that say which one failed and not where.

use super::syntax::{Dockerfile, Instruction};

/// The line, from 1 on, on which `instruction` begins; `None` if no other one reads like it, or several do.
///
/// BuildKit names an instruction as it is written, with its continuation lines joined. Where it put a variable's value
/// in, nothing is found.
#[must_use]
pub fn find_line(dockerfile: &str, instruction: &str) -> Option<usize> {
    let dockerfile = Dockerfile::parse(dockerfile);
    let wanted = Instruction::parse(instruction, dockerfile.escape, 0)?;
    let mut lines = dockerfile.instructions.iter().filter(|&found| words(found) == words(&wanted));
    lines.next().map(|found| found.line).filter(|_| lines.next().is_none())
}

fn words(instruction: &Instruction) -> Vec<&str> {
    let flags = instruction.flags.iter().map(String::as_str);
    std::iter::once(instruction.keyword.as_str())
        .chain(flags)
        .chain(instruction.arguments.split_whitespace())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_is_found_if_it_is_the_only_one() {
        let dockerfile = "FROM base\n# RUN b\nrun  --network=host a \\\n  # comment\n  && b\nRUN c\nRUN c\n";
        for (instruction, line) in [
            ("RUN --network=host a   && b", Some(3)),
            ("RUN c", None),
            ("RUN d", None),
            ("FROM base", Some(1)),
            ("", None),
        ] {
            assert_eq!(find_line(dockerfile, instruction), line, "{instruction}");
        }
    }
}
