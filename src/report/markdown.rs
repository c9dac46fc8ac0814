//! Markdown out of text that may hold anything.
//!
//! Rule: text is redacted before it is escaped, since escapes would hide a secret from the redactor. Nothing that is
//! put in becomes HTML, a link, another cell or another line.

/// Takes our secrets out of text.
pub(super) type Redact<'a> = &'a dyn Fn(&str) -> String;

/// What Markdown, its tables, or the service's mentions take for more than text. A backslash before any of them is
/// CommonMark for the character itself.
const SPECIAL: &str = r"\`*_{}[]<>()#|!&~@^$";

/// Makes Markdown.
#[derive(Clone, Copy)]
pub(super) struct Markdown<'a> {
    redact: Redact<'a>,
}

impl<'a> Markdown<'a> {
    pub(super) fn new(redact: Redact<'a>) -> Self {
        Self { redact }
    }

    /// Text without our secrets, to be escaped later.
    pub(super) fn redacted(self, text: &str) -> String {
        (self.redact)(text)
    }

    /// One line of text.
    pub(super) fn text(self, text: &str) -> String {
        escape(&one_line(&(self.redact)(text)))
    }

    /// One line of text in which `code` stands between backticks, as in our own messages.
    pub(super) fn prose(self, text: &str) -> String {
        let text = one_line(&(self.redact)(text));
        let mut parts: Vec<&str> = text.split('`').collect();
        // What follows a backtick without a partner is no code.
        let rest = if parts.len().is_multiple_of(2) { parts.pop() } else { None };
        let mut prose = String::new();
        for (index, part) in parts.into_iter().enumerate() {
            prose += &if index % 2 == 0 { escape(part) } else { span(part) };
        }
        if let Some(rest) = rest {
            prose += "\\`";
            prose += &escape(rest);
        }
        prose
    }

    /// One line in code font, also within a table.
    pub(super) fn code(self, text: &str) -> String {
        span(&one_line(&(self.redact)(text)))
    }

    /// The first `most` characters of a line in code font.
    pub(super) fn short_code(self, text: &str, most: usize) -> String {
        let text = one_line(&(self.redact)(text));
        match text.char_indices().nth(most) {
            Some((end, _)) => span(&format!("{}…", &text[..end])),
            None => span(&text),
        }
    }

    /// Lines as they are, in code font.
    pub(super) fn block(self, text: &str) -> String {
        let text = (self.redact)(text);
        let lines: Vec<String> = text.lines().map(visible).collect();
        let fence = "`".repeat(longest_run(&text).max(2) + 1);
        format!("{fence}text\n{}\n{fence}\n", lines.join("\n"))
    }
}

/// A code span; its fence is longer than any run of backticks in it.
fn span(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(text) + 1);
    // A table takes a pipe for the end of a cell, also in code; a renderer takes one space off at each end.
    let padding = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{padding}{}{padding}{fence}", text.replace('|', "\\|"))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if SPECIAL.contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
}

fn one_line(text: &str) -> String {
    visible(&text.replace(['\n', '\r', '\t'], " "))
}

/// Without control characters, and without those that turn the direction of what follows.
fn visible(text: &str) -> String {
    let turns = |character| matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.replace('\t', "    ")
        .chars()
        .filter(|&character| !character.is_control() && !turns(character))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identity(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn code_holds_whatever_it_is() {
        for (text, code) in [
            ("a|b", "`a\\|b`"),
            ("a`b", "``a`b``"),
            ("`", "`` ` ``"),
            ("<b>&amp;", "`<b>&amp;`"),
            ("two\nlines\u{1b}[31m", "`two lines[31m`"),
            (" ", ""),
        ] {
            assert_eq!(Markdown::new(&identity).code(text), code);
        }
        assert_eq!(Markdown::new(&identity).short_code("äöü`", 2), "`äö…`");
    }

    #[test]
    fn prose_keeps_code_and_nothing_else() {
        for (text, prose) in [
            ("set `tags: [1]` to <b>", "set `tags: [1]` to \\<b\\>"),
            ("an odd ` and [a](b)", "an odd \\` and \\[a\\]\\(b\\)"),
            ("`a` and `b", "`a` and \\`b"),
            ("# no title\n* no list", "\\# no title \\* no list"),
        ] {
            assert_eq!(Markdown::new(&identity).prose(text), prose);
        }
    }

    #[test]
    fn a_block_ends_where_it_should() {
        assert_eq!(
            Markdown::new(&identity).block("a\n```\n# injected\r\n\tb"),
            "````text\na\n```\n# injected\n    b\n````\n"
        );
    }

    #[test]
    fn a_secret_with_special_characters_is_found() {
        let redact = |text: &str| text.replace("p<a>s`s|w", "***");
        let markdown = Markdown::new(&redact);
        assert_eq!(markdown.text("x p<a>s`s|w"), "x \\*\\*\\*");
        assert_eq!(markdown.code("x p<a>s`s|w"), "`x ***`");
        assert_eq!(markdown.prose("x `p<a>s`s|w`"), "x `***`");
    }

    proptest! {
        #[test]
        fn nothing_breaks_out(text in "([`|\\\\<>\\[\\]#* \n\ra]|\\PC){0,40}") {
            let markdown = Markdown::new(&identity);
            for line in [markdown.text(&text), markdown.prose(&text), markdown.code(&text)] {
                prop_assert!(!line.contains(['\n', '\r']));
            }
            // Each pipe in a cell has a backslash before it.
            for cell in [markdown.text(&text), markdown.code(&text)] {
                let pipes = cell.match_indices('|').all(|(at, _)| cell[..at].ends_with('\\'));
                prop_assert!(pipes, "{cell}");
            }
            let block = markdown.block(&text);
            let fence = block.lines().next().unwrap_or_default().trim_end_matches("text").to_owned();
            let inner = block.lines().filter(|line| line.trim_start().starts_with(&fence)).count();
            prop_assert_eq!(inner, 2, "{}", block);
        }
    }
}
