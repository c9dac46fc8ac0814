//! Words of a Dockerfile: where they end, and what their variables stand for.
//!
//! Rule: a word whose value can't be known before the build is `None`, never a guess.
//!
//! It follows `frontend/dockerfile/shell/lex.go` and `parser/line_parsers.go` of moby/buildkit, without the
//! pattern operators (`${x#…}`, `${x%…}`, `${x/…/…}`), whose result counts as not known.

use std::iter::Peekable;
use std::str::Chars;

/// What is known of a variable before the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Set(String),
    /// Declared without a value.
    Unset,
    /// Named by no instruction that we see; the base image may set it.
    Undeclared,
    /// Set to something that only the build knows.
    Unresolved,
}

/// Splits at blanks outside quotes. Quotes and escapes stay in the words.
pub(super) fn split(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        word.push(c);
        if c == escape && quote != Some('\'') {
            word.extend(chars.next());
        } else if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && (c == '"' || c == '\'') {
            quote = Some(c);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The word with quotes and escapes resolved and variables replaced.
pub(super) fn expand(word: &str, escape: char, lookup: &dyn Fn(&str) -> Value) -> Option<String> {
    let mut expander = Expander { rest: word.chars().peekable(), escape, lookup };
    expander.until(None)
}

struct Expander<'a> {
    rest: Peekable<Chars<'a>>,
    escape: char,
    lookup: &'a dyn Fn(&str) -> Value,
}

impl Expander<'_> {
    /// Reads up to `stop`, or to the end. What is not known makes the whole `None`, and is read to its end
    /// all the same, since `${x:-…}` may not need it.
    fn until(&mut self, stop: Option<char>) -> Option<String> {
        let mut text = Some(String::new());
        loop {
            let Some(c) = self.rest.next() else {
                return if stop.is_none() { text } else { None };
            };
            let part = match c {
                _ if Some(c) == stop => return text,
                '\'' => self.single_quoted(),
                '"' => self.double_quoted(),
                '$' => self.variable(),
                _ if c == self.escape => Some(self.rest.next().map(String::from).unwrap_or_default()),
                _ => Some(c.to_string()),
            };
            text = text.zip(part).map(|(text, part)| text + &part);
        }
    }

    fn single_quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                '\'' => return Some(text),
                c => text.push(c),
            }
        }
    }

    fn double_quoted(&mut self) -> Option<String> {
        let mut text = Some(String::new());
        loop {
            let part = match self.rest.next()? {
                '"' => return text,
                '$' => self.variable(),
                c if c == self.escape => match self.rest.peek() {
                    Some(&next) if next == '"' || next == '$' || next == self.escape => {
                        self.rest.next().map(String::from)
                    }
                    _ => Some(c.to_string()),
                },
                c => Some(c.to_string()),
            };
            text = text.zip(part).map(|(text, part)| text + &part);
        }
    }

    /// Reads what follows a `$`.
    fn variable(&mut self) -> Option<String> {
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            return if name.is_empty() { Some("$".to_owned()) } else { self.value(&name) };
        }
        let name = self.name();
        let mut operator = self.rest.next()?;
        if operator == '}' {
            return self.value(&name);
        }
        let empty_is_unset = operator == ':';
        if empty_is_unset {
            operator = self.rest.next()?;
        }
        let word = self.until(Some('}'));
        let value = match (self.lookup)(&name) {
            Value::Unresolved => return None,
            Value::Set(value) if !(empty_is_unset && value.is_empty()) => Some(value),
            _ => None,
        };
        match operator {
            '-' => value.or(word),
            '+' => value.map_or_else(|| Some(String::new()), |_| word),
            '?' => value,
            _ => None,
        }
    }

    fn value(&self, name: &str) -> Option<String> {
        match (self.lookup)(name) {
            Value::Set(value) => Some(value),
            Value::Unset => Some(String::new()),
            Value::Undeclared | Value::Unresolved => None,
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
            name.push(c);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Value {
        match name {
            "SET" => Value::Set("pip".to_owned()),
            "EMPTY" => Value::Set(String::new()),
            "UNSET" => Value::Unset,
            "LATER" => Value::Unresolved,
            _ => Value::Undeclared,
        }
    }

    #[test]
    fn words_expand_as_in_buildkit() {
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("plain", "abc", Some("abc")),
            ("variable", "a-$SET.b", Some("a-pip.b")),
            ("braces", "a${SET}b", Some("apipb")),
            ("dollar alone", "a$", Some("a$")),
            ("declared without a value", "a$UNSET", Some("a")),
            ("undeclared", "a$OTHER", None),
            ("known to the build alone", "$LATER", None),
            ("default unused", "${SET:-x}", Some("pip")),
            ("default for an undeclared one", "${OTHER:-x}", Some("x")),
            ("default for an empty one", "${EMPTY:-x}", Some("x")),
            ("default only if unset", "${EMPTY-x}", Some("")),
            ("default with a variable", "${OTHER:-a${SET}}", Some("apip")),
            ("unknown default that is not needed", "${SET:-$OTHER}!", Some("pip!")),
            ("unknown default that is needed", "${OTHER:-$LATER}", None),
            ("default of one known to the build alone", "${LATER:-x}", None),
            ("alternative", "${SET:+x}", Some("x")),
            ("alternative of an empty one", "${EMPTY:+x}", Some("")),
            ("required", "${SET:?no}", Some("pip")),
            ("required but unset", "${UNSET:?no}", None),
            ("pattern operator", "${SET%p}", None),
            ("single quotes", "'$SET'", Some("$SET")),
            ("double quotes", r#""a $SET\"\x""#, Some(r#"a pip"\x"#)),
            ("escaped dollar", r"\$SET", Some("$SET")),
            ("open brace", "${SET", None),
            ("open quote", "'SET", None),
            ("bad substitution", "${}", None),
        ];
        for (name, word, expected) in cases {
            assert_eq!(expand(word, '\\', &lookup).as_deref(), *expected, "{name}");
        }
    }

    #[test]
    fn words_end_at_blanks_outside_quotes() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("blanks", " a\t b ", &["a", "b"]),
            ("quotes", r#"a="b c" 'd "e'"#, &[r#"a="b c""#, r#"'d "e'"#]),
            ("escaped blank", r"a\ b c", &[r"a\ b", "c"]),
            ("escaped quote", r#""a\" b" c"#, &[r#""a\" b""#, "c"]),
            ("open quote", "a 'b c", &["a", "'b c"]),
            ("escape at the end", r"a \", &["a", r"\"]),
        ];
        for (name, text, expected) in cases {
            assert_eq!(split(text, '\\'), *expected, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_splits_and_expands(text in "([a-zA-Z_ ]|[$\\{}:+?\"'`\\\\-]|\\$\\{|SET){0,60}") {
            for word in split(&text, '\\') {
                let _ = expand(&word, '\\', &lookup);
            }
            let _ = expand(&text, '`', &lookup);
        }
    }
}
