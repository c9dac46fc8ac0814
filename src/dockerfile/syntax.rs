//! The instructions of a Dockerfile, cut as BuildKit's parser cuts them.
//!
//! Rule: every text can be parsed; what is no Dockerfile is BuildKit's to report.
//!
//! It follows `frontend/dockerfile/parser/parser.go` and `split_command.go` of moby/buildkit. The crate
//! `parse-dockerfile` 0.1.9 was tried: it refuses files that BuildKit builds (a here-document that doesn't
//! open the `RUN`, as in `RUN cat <<EOF >/etc/pip.conf`; several of them; a stage name used twice) and keeps
//! the quotes of `--mount="…"`.

use std::collections::BTreeMap;

use super::{directive, word};
use crate::csv;

/// A Dockerfile without comments, continuation lines and here-documents.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dockerfile {
    /// The escape character, which a `# escape=` directive sets.
    pub(super) escape: char,
    pub(super) instructions: Vec<Instruction>,
}

/// One instruction with its builder flags taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    /// In upper case.
    pub(super) keyword: String,
    /// Such as `--mount=type=secret,id=x`, without quotes.
    pub(super) flags: Vec<String>,
    pub(super) arguments: String,
    /// The lines of its here-documents.
    pub(super) body: Vec<String>,
    /// The line on which the instruction begins, from 1.
    pub(super) line: usize,
}

impl Dockerfile {
    pub(super) fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let escape = directive::escape(text);
        let mut instructions = Vec::new();
        let mut lines = (1..).zip(text.lines().map(|line| line.trim_end_matches('\r')));
        while let Some((number, first)) = lines.next() {
            if is_blank_or_comment(first) {
                continue;
            }
            let (start, mut continued) = strip_continuation(first, escape);
            let mut logical = start.to_owned();
            while continued && let Some((_, next)) = lines.next() {
                if !is_blank_or_comment(next) {
                    let (part, more) = strip_continuation(next, escape);
                    logical.push_str(part);
                    continued = more;
                }
            }
            let Some(mut instruction) = Instruction::parse(&logical, escape, number) else { continue };
            if instruction.can_contain_heredocs(escape) {
                for heredoc in heredocs(&logical) {
                    let mut ahead = lines.clone();
                    // Without a terminator it is no here-document, and nothing below it is lost.
                    if let Some(length) = ahead.position(|(_, line)| heredoc.ends_at(line)) {
                        let body = lines.by_ref().take(length).map(|(_, line)| line.to_owned());
                        instruction.body.extend(body);
                        lines = ahead;
                    }
                }
            }
            instructions.push(instruction);
        }
        Self { escape, instructions }
    }
}

impl Instruction {
    /// Parses one logical line; `None` for a blank one.
    pub(super) fn parse(logical: &str, escape: char, line: usize) -> Option<Self> {
        let logical = logical.trim();
        let (keyword, rest) = logical.split_once(char::is_whitespace).unwrap_or((logical, ""));
        if keyword.is_empty() {
            return None;
        }
        let (flags, arguments) = split_flags(rest, escape);
        Some(Self {
            body: Vec::new(),
            keyword: keyword.to_ascii_uppercase(),
            flags,
            arguments: arguments.trim().to_owned(),
            line,
        })
    }

    /// The instruction that an `ONBUILD` keeps for the stages built from this one.
    pub(super) fn trigger(&self, escape: char) -> Option<Self> {
        (self.keyword == "ONBUILD").then(|| Self::parse(&self.arguments, escape, self.line)).flatten()
    }

    /// The values of every `--name=value`.
    pub(super) fn flag_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags
            .iter()
            .filter_map(move |flag| flag.strip_prefix("--")?.strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether `--name` is set.
    pub(super) fn has_switch(&self, name: &str) -> bool {
        let is_it = |flag: &String| flag.strip_prefix("--").is_some_and(|flag| flag == name);
        self.flags.iter().any(is_it) || self.flag_values(name).any(|value| value == "true")
    }

    /// The mounts of a `RUN`: field by key, without a value where none was written.
    pub(super) fn mounts(&self) -> impl Iterator<Item = BTreeMap<&'static str, Option<String>>> {
        let flags = (self.keyword == "RUN").then(|| self.flag_values("mount"));
        flags
            .into_iter()
            .flatten()
            .map(|flag| csv::fields(flag).iter().filter_map(|field| mount_field(field)).collect())
    }

    fn can_contain_heredocs(&self, escape: char) -> bool {
        matches!(self.keyword.as_str(), "RUN" | "COPY" | "ADD")
            || self.trigger(escape).is_some_and(|trigger| trigger.can_contain_heredocs(escape))
    }
}

/// A field that matters here, under the first of its names.
fn mount_field(field: &str) -> Option<(&'static str, Option<String>)> {
    let (key, value) =
        field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value.to_owned())));
    let key = match key.to_lowercase().as_str() {
        "type" => "type",
        "id" => "id",
        "source" | "src" => "source",
        "target" | "dst" | "destination" => "target",
        "required" => "required",
        "env" => "env",
        "from" => "from",
        _ => return None,
    };
    Some((key, value))
}

fn is_blank_or_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// The line without its continuation character, and whether it had one. A doubled one is none.
fn strip_continuation(line: &str, escape: char) -> (&str, bool) {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(start) if !start.ends_with(escape) => (start, true),
        _ => (line, false),
    }
}

/// Takes the leading `--flag` words off, quotes and escapes resolved; `--` alone ends them.
fn split_flags(text: &str, escape: char) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let mut flag = String::new();
        let mut quote = None;
        let mut end = rest.len();
        let mut chars = rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match quote {
                None if c.is_whitespace() => {
                    end = at;
                    break;
                }
                None if c == '"' || c == '\'' => quote = Some(c),
                Some(open) if c == open => quote = None,
                _ if c == escape => flag.extend(chars.next().map(|(_, escaped)| escaped)),
                _ => flag.push(c),
            }
        }
        rest = rest[end..].trim_start();
        if flag == "--" {
            break;
        }
        flags.push(flag);
    }
    (flags, rest)
}

/// The end of a here-document.
#[derive(Debug, PartialEq, Eq)]
struct Heredoc {
    terminator: String,
    /// `<<-`: tabs before the terminator don't count.
    strip_tabs: bool,
}

impl Heredoc {
    /// Parses `<<EOF`, `3<<-"EOF"` and the like, a word of its own.
    fn parse(word: &str) -> Option<Self> {
        let after = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
        let (name, strip_tabs) = after.strip_prefix('-').map_or((after, false), |name| (name, true));
        if name.is_empty() || name.contains('<') {
            return None;
        }
        // Whatever the escape directive says, it is the backslash here.
        let terminator =
            word::expand(name, '\\', &|_| word::Value::Undeclared).unwrap_or_else(|| name.to_owned());
        Some(Self { terminator, strip_tabs })
    }

    fn ends_at(&self, line: &str) -> bool {
        let line = if self.strip_tabs { line.trim_start_matches('\t') } else { line };
        line == self.terminator
    }
}

fn heredocs(logical: &str) -> Vec<Heredoc> {
    let mut words = word::split(logical, '\\').into_iter();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let operator_alone = word.trim_start_matches(|c: char| c.is_ascii_digit()) == "<<";
        let word = if operator_alone { word + &words.next().unwrap_or_default() } else { word };
        found.extend(Heredoc::parse(&word));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each instruction on a line of its own: `line KEYWORD [flags] arguments`.
    fn outline(text: &str) -> Vec<String> {
        let show = |i: Instruction| format!("{} {} {:?} {}", i.line, i.keyword, i.flags, i.arguments);
        Dockerfile::parse(text).instructions.into_iter().map(show).collect()
    }

    #[test]
    fn instructions_are_cut_as_buildkit_cuts_them() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("keyword in any case, indented", "  from a\n", &["1 FROM [] a"]),
            ("byte order mark", "\u{feff}FROM a", &["1 FROM [] a"]),
            ("CRLF", "FROM a\r\nRUN x \\\r\n y\r\n", &["1 FROM [] a", "2 RUN [] x  y"]),
            (
                "comment and blank line inside a continuation",
                "RUN --mount=type=ssh \\\n  # why\n\n  --mount=type=cache \\\n  make\nUSER me",
                &[r#"1 RUN ["--mount=type=ssh", "--mount=type=cache"] make"#, "6 USER [] me"],
            ),
            ("continuation with blanks behind it", "RUN a \\ \t\nb", &["1 RUN [] a b"]),
            ("doubled escape is no continuation", "RUN a \\\\\nUSER b", &["1 RUN [] a \\\\", "2 USER [] b"]),
            ("continuation at the end of the file", "RUN a \\", &["1 RUN [] a"]),
            ("escape directive", "# escape=`\nRUN a `\n b\\\nUSER c", &["2 RUN [] a  b\\", "4 USER [] c"]),
            (
                "escape after syntax",
                "#syntax=docker/dockerfile:1\n# Escape = `\nRUN a `\nb",
                &["3 RUN [] a b"],
            ),
            ("escape after a comment is a comment", "# hi\n# escape=`\nRUN a \\\nb", &["3 RUN [] a b"]),
            (
                "quotes in flags",
                r#"RUN --mount="type=secret,id=a b" x"#,
                &[r#"1 RUN ["--mount=type=secret,id=a b"] x"#],
            ),
            ("escape in flags", r"RUN --mount=id=a\ b x", &[r#"1 RUN ["--mount=id=a b"] x"#]),
            ("end of flags", "RUN --network=none -- --mount=x", &[r#"1 RUN ["--network=none"] --mount=x"#]),
            ("flags of the command are its own", "RUN pip --mount=x", &["1 RUN [] pip --mount=x"]),
            ("here-document", "RUN <<EOF\nUSER x\nEOF\nUSER y", &["1 RUN [] <<EOF", "4 USER [] y"]),
            (
                "here-document in mid-line",
                "RUN cat <<EOF >f\nUSER x\nEOF\nUSER y",
                &["1 RUN [] cat <<EOF >f", "4 USER [] y"],
            ),
            (
                "two here-documents",
                "COPY <<A <<B /\nx\nA\ny\nB\nUSER z",
                &["1 COPY [] <<A <<B /", "6 USER [] z"],
            ),
            ("quoted terminator", "RUN <<'E F'\nx\nE F\nUSER y", &["1 RUN [] <<'E F'", "4 USER [] y"]),
            (
                "blank before the terminator",
                "RUN cat << EOF\nx\nEOF\nUSER y",
                &["1 RUN [] cat << EOF", "4 USER [] y"],
            ),
            ("indented terminator", "RUN 3<<-EOF\n\tx\n\tEOF\nUSER y", &["1 RUN [] 3<<-EOF", "4 USER [] y"]),
            ("unindented only", "RUN <<EOF\nx\n\tEOF\nEOF\nUSER y", &["1 RUN [] <<EOF", "5 USER [] y"]),
            (
                "here-document of a trigger",
                "ONBUILD RUN <<E\nx\nE\nUSER y",
                &["1 ONBUILD [] RUN <<E", "4 USER [] y"],
            ),
            ("here-string", "RUN cat <<<EOF\nUSER y", &["1 RUN [] cat <<<EOF", "2 USER [] y"]),
            ("quoted operator", "RUN echo '<<EOF'\nUSER y", &["1 RUN [] echo '<<EOF'", "2 USER [] y"]),
            ("shift operator", "RUN echo $((1 << 2))\nUSER y", &["1 RUN [] echo $((1 << 2))", "2 USER [] y"]),
            ("none in CMD", "CMD cat <<EOF\nUSER y", &["1 CMD [] cat <<EOF", "2 USER [] y"]),
        ];
        for (name, text, expected) in cases {
            assert_eq!(outline(text), *expected, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_parses(text in "(?s).{0,200}", lines in "([A-Z#`\\\\ \t\"'<$-]|EOF|RUN |\r?\n){0,60}") {
            let _ = Dockerfile::parse(&text);
            let _ = Dockerfile::parse(&lines);
        }
    }
}
