//! Which line of the Dockerfile made which entry of an image's history.
//!
//! Rule: no line is better than a wrong one. The history of an image ends with the instructions of the target's stage, in
//! their order, so both are compared from the end; entries of the base image find none.
//!
//! What BuildKit writes (`runCommandString`, `commitToHistory` and their callers in
//! `frontend/dockerfile/dockerfile2llb` of moby/buildkit, read at 73ed6825c): the keyword, then for `RUN` the build
//! arguments as `|2 A=x B=y`, the shell and the command as it is in the Dockerfile; for `COPY` and `ADD` three of their
//! flags, then sources and destination with variables expanded; for the others what came of it. What made a layer has
//! ` # buildkit` at its end. Layers of a base image without a history for them push these entries down, and the last
//! layers get entries with the names of their steps, as `[2/3] RUN make` (`normalizeLayersAndHistory`).

use std::collections::BTreeMap;

use super::stage::{Stages, Variables};
use super::syntax::Instruction;

/// The line, from 1, of each entry of `history`, given by its `created_by`. A Dockerfile or a target that cannot be
/// read has none.
#[must_use]
pub fn lines_of_history(
    dockerfile: &str,
    target: Option<&str>,
    build_args: &BTreeMap<String, String>,
    history: &[&str],
) -> Vec<Option<usize>> {
    let mut lines = vec![None; history.len()];
    let Ok(stages) = Stages::parse(dockerfile, build_args) else { return lines };
    let Ok(chain) = stages.chain(target) else { return lines };
    let mut made: Vec<(Written, usize)> = Vec::new();
    for stage in chain {
        stages.walk(stage, &mut |instruction, variables| {
            made.push((Written::new(instruction, &stages, variables), instruction.line));
        });
    }
    for (entry, line) in history.iter().zip(&mut lines).rev() {
        if let Some((_, step)) = entry.strip_prefix('[').and_then(|entry| entry.split_once("] ")) {
            // Its instruction has another entry above.
            let mut known = made.iter().filter(|(written, _)| written.made(step)).map(|(_, line)| *line);
            *line = known.next().filter(|_| known.next().is_none());
            continue;
        }
        if let Some(index) = made.iter().rposition(|(written, _)| written.made(entry)) {
            *line = Some(made[index].1);
            made.truncate(index);
        }
    }
    lines
}

/// What of an instruction is compared.
struct Written {
    keyword: String,
    words: Vec<String>,
    /// The words of here-documents.
    body: Vec<String>,
}

impl Written {
    fn new(instruction: &Instruction, stages: &Stages<'_>, variables: &Variables) -> Self {
        let arguments = &instruction.arguments;
        let words: Vec<String> = match serde_json::from_str(arguments) {
            Ok(words) => words,
            Err(_) => arguments.split_whitespace().map(str::to_owned).collect(),
        };
        let words = match instruction.keyword.as_str() {
            // The shell expands them, not BuildKit.
            "RUN" | "CMD" | "ENTRYPOINT" => {
                words.iter().flat_map(|word| word.split_whitespace()).map(str::to_owned).collect()
            }
            _ => words.iter().map(|word| stages.expand(word, variables)).collect(),
        };
        let body =
            instruction.body.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect();
        Self { keyword: instruction.keyword.clone(), words, body }
    }

    fn made(&self, entry: &str) -> bool {
        let entry = entry.trim_end().trim_end_matches("# buildkit");
        let mut words = entry.split_whitespace();
        if words.next() != Some(&self.keyword) {
            return false;
        }
        let words: Vec<&str> = words.collect();
        match self.keyword.as_str() {
            "RUN" => self.is_command_of(&words),
            "COPY" | "ADD" => {
                let files: Vec<&str> = words.into_iter().skip_while(|word| word.starts_with("--")).collect();
                files.len() == self.words.len()
                    && self.words.iter().zip(files).all(|(own, word)| is_alike(own, word))
            }
            "WORKDIR" => match (self.words.first(), words.first()) {
                (Some(own), Some(word)) => {
                    own.contains('$') || word.ends_with(own.trim_matches('/').trim_start_matches("./"))
                }
                _ => false,
            },
            "ENV" | "LABEL" | "ARG" => match (self.words.first(), words.first()) {
                (Some(own), Some(word)) => name(own) == name(word),
                _ => false,
            },
            _ => true,
        }
    }

    /// The command stands at the end, or before the content of a here-document; a here-document that is the command stands
    /// alone.
    fn is_command_of(&self, words: &[&str]) -> bool {
        let own: Vec<&str> = self.words.iter().map(String::as_str).collect();
        if let [document] = own[..]
            && document.starts_with("<<")
            && !self.body.is_empty()
        {
            return words.ends_with(&self.body.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let has_heredoc = own.iter().any(|word| word.contains("<<"));
        words.ends_with(&own) || has_heredoc && words.windows(own.len()).any(|window| window == own)
    }
}

/// Whether a word of the history can come from this one, in which variables may be left that are not known here.
fn is_alike(own: &str, word: &str) -> bool {
    let own = own.trim_matches(['"', '\'']);
    match own.split_once('$') {
        Some((before, _)) => word.starts_with(before),
        None => own == word,
    }
}

/// The name in `name=value`, without quotes.
fn name(assignment: &str) -> &str {
    assignment.split_once('=').map_or(assignment, |(name, _)| name).trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(dockerfile: &str, target: Option<&str>, history: &[&str]) -> Vec<Option<usize>> {
        lines_of_history(dockerfile, target, &BTreeMap::new(), history)
    }

    #[test]
    fn each_entry_finds_its_line() {
        let dockerfile = "ARG TAG=3\n\
                          FROM python:$TAG AS base\n\
                          ARG TOKEN\n\
                          ENV A=1 B=2\n\
                          WORKDIR app\n\
                          RUN pip install \\\n    -r requirements.txt\n\
                          FROM base\n\
                          LABEL org.x=\"y\"\n\
                          ARG DIR=/srv\n\
                          COPY --chown=1 --from=base a $DIR/b $UNKNOWN/\n\
                          RUN [\"sh\", \"-c\", \"echo a b\"]\n\
                          RUN pip install \\\n    -r requirements.txt\n\
                          CMD [\"python\"]\n";
        let history = [
            "/bin/sh -c #(nop) ADD file:1 in / ",
            "CMD [\"python3\"]",
            "ARG TOKEN=secret",
            "ENV A=1 B=2",
            "WORKDIR /app",
            "RUN |1 TOKEN=a b /bin/sh -c pip install     -r requirements.txt # buildkit",
            "LABEL org.x=y",
            "ARG DIR=/srv",
            "COPY --chown=1 a /srv/b /x/ # buildkit",
            "RUN |2 TOKEN=a b DIR=/srv sh -c echo a b # buildkit",
            "RUN |2 TOKEN=a b DIR=/srv /bin/sh -c pip install     -r requirements.txt # buildkit",
            "CMD [\"python\"]",
        ];
        let expected = [
            None,
            None,
            Some(3),
            Some(4),
            Some(5),
            Some(6),
            Some(9),
            Some(10),
            Some(11),
            Some(12),
            Some(13),
            Some(15),
        ];
        assert_eq!(lines(dockerfile, None, &history), expected);
        assert_eq!(lines(dockerfile, Some("base"), &history[..6]), expected[..6]);
    }

    #[test]
    fn the_name_of_a_step_finds_its_line_if_it_is_the_only_one() {
        let dockerfile = "FROM a\nRUN b\nCOPY c d\nRUN b";
        let history = [
            "RUN /bin/sh -c b # buildkit",
            "COPY c d # buildkit",
            "RUN /bin/sh -c b # buildkit",
            "[3/4] COPY c d",
            "[4/4] RUN b",
        ];
        assert_eq!(lines(dockerfile, None, &history), [Some(2), Some(3), Some(4), Some(3), None]);
    }

    #[test]
    fn a_here_document_is_known_by_its_first_line() {
        let dockerfile = "FROM a\nRUN cat <<EOF >/f\nx\nEOF\nRUN true\n";
        let history = ["RUN /bin/sh -c cat <<EOF >/f\nx\nEOF # buildkit", "RUN /bin/sh -c true # buildkit"];
        assert_eq!(lines(dockerfile, None, &history), [Some(2), Some(5)]);
    }

    #[test]
    fn what_is_not_of_this_dockerfile_has_no_line() {
        assert_eq!(
            lines("FROM a\nRUN x\n", None, &["RUN /bin/sh -c y # buildkit", "", "RUN"]),
            [None, None, None]
        );
        assert_eq!(lines("", None, &["RUN /bin/sh -c y"]), [None]);
        assert_eq!(lines("FROM a\nRUN x\n", Some("b"), &["RUN /bin/sh -c x"]), [None]);
    }

    #[test]
    fn a_here_document_that_is_the_command_is_known_by_its_lines() {
        let dockerfile = "FROM base\nRUN <<END\nset -e\nmake\nEND\nRUN <<END\nset -e\ntest\nEND\n";
        let history =
            ["RUN /bin/sh -c set -e\nmake\n # buildkit", "RUN /bin/sh -c set -e\ntest\n # buildkit"];
        assert_eq!(lines(dockerfile, None, &history), [Some(2), Some(6)]);
    }
}
