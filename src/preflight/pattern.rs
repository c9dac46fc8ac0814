//! One pattern of a `.dockerignore`, and wildcards in the sources of `COPY`.
//!
//! It matches what moby/patternmatcher's matches (`patternmatcher.go`, as read at v0.6.1), which is `path/filepath.Match`
//! of Go and `**`. Paths have slashes, and none before the first name.

/// A pattern of whole paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// As it was written, cleaned.
    pub(super) text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The whole path.
    Exact,
    /// `folder/**`: what begins with `folder/`.
    Prefix(String),
    /// `**/name` or `**name`: what ends with this, or the name itself.
    Suffix(String),
    /// Anything else.
    Glob(Vec<Token>),
}

/// One piece of a pattern, the place in it of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`: any but `/`.
    One,
    /// `*`: any number of any but `/`.
    Some,
    /// `**` or `**/`: nothing, or anything up to a `/`.
    Folders,
    /// A [`Token::Folders`] that has begun.
    InFolders,
    /// `**` at the end: anything.
    All,
    /// `[a-z]` or `[^a-z]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// Parses a cleaned pattern; `None` if it is malformed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let tokens = tokens(text)?;
        let plain = |text: &str| !text.contains(['*', '?', '[', ']', '\\']);
        // In the order in which patternmatcher decides, with what its `**` at either end means without other wildcards.
        let kind = if plain(text) {
            Kind::Exact
        } else if let Some(rest) = text.strip_prefix("**").filter(|rest| plain(rest)) {
            Kind::Suffix(rest.to_owned())
        } else if let Some(rest) = text.strip_suffix("**").filter(|rest| plain(rest)) {
            Kind::Prefix(rest.to_owned())
        } else {
            Kind::Glob(tokens)
        };
        Some(Self { text: text.to_owned(), kind })
    }

    /// Whether a path, of a file or a folder, is what the pattern says.
    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.kind {
            Kind::Exact => path == self.text,
            Kind::Prefix(prefix) => path.starts_with(prefix),
            Kind::Suffix(suffix) => path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path),
            Kind::Glob(tokens) => search(tokens, path),
        }
    }

    /// Whether it has wildcards besides `/*` or `/**` at its end.
    pub(super) fn has_inner_wildcards(&self) -> bool {
        self.folder().contains(['*', '[', ']', '?', '^', '\\'])
    }

    /// The pattern without `/*` or `/**` at its end.
    pub(super) fn folder(&self) -> &str {
        let text = self.text.strip_suffix("/**").unwrap_or(&self.text);
        text.strip_suffix("/*").unwrap_or(text)
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                if chars.peek().is_none() {
                    tokens.push(Token::All);
                } else {
                    tokens.extend([Token::Folders, Token::InFolders]);
                }
            }
            '*' => tokens.push(Token::Some),
            '?' => tokens.push(Token::One),
            '\\' => tokens.push(Token::Char(chars.next()?)),
            '[' => tokens.push(class(&mut chars)?),
            c => tokens.push(Token::Char(c)),
        }
    }
    Some(tokens)
}

/// The rest of a `[…]`.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Some(Token::Class { negated, ranges });
        }
        let first = class_char(chars)?;
        let last = if chars.next_if_eq(&'-').is_some() { class_char(chars)? } else { first };
        ranges.push((first, last));
    }
}

fn class_char(chars: &mut impl Iterator<Item = char>) -> Option<char> {
    match chars.next()? {
        '\\' => chars.next(),
        '-' | ']' => None,
        c => Some(c),
    }
}

/// Whether the tokens match the whole path. All places in the pattern are followed at once, so no pattern is slow.
fn search(tokens: &[Token], path: &str) -> bool {
    let end = tokens.len();
    let mut places = vec![false; end + 1];
    enter(tokens, &mut places, 0);
    for c in path.chars() {
        let mut next = vec![false; end + 1];
        for at in (0..end).filter(|&at| places[at]) {
            match &tokens[at] {
                Token::Char(wanted) if c == *wanted => enter(tokens, &mut next, at + 1),
                Token::One if c != '/' => enter(tokens, &mut next, at + 1),
                Token::Some if c != '/' => enter(tokens, &mut next, at),
                Token::All => enter(tokens, &mut next, at),
                Token::Folders | Token::InFolders => {
                    let inside = if tokens[at] == Token::Folders { at + 1 } else { at };
                    next[inside] = true;
                    if c == '/' {
                        enter(tokens, &mut next, inside + 1);
                    }
                }
                Token::Class { negated, ranges } => {
                    let within = ranges.iter().any(|&(first, last)| (first..=last).contains(&c));
                    if within != *negated {
                        enter(tokens, &mut next, at + 1);
                    }
                }
                Token::Char(_) | Token::One | Token::Some => {}
            }
        }
        places = next;
    }
    places[end]
}

/// Marks a place, and those that are as good as it because nothing need stand between.
fn enter(tokens: &[Token], places: &mut [bool], at: usize) {
    if std::mem::replace(&mut places[at], true) {
        return;
    }
    match tokens.get(at) {
        Some(Token::Some | Token::All) => enter(tokens, places, at + 1),
        Some(Token::Folders) => enter(tokens, places, at + 2),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What patternmatcher's own tests and documentation say of one pattern and one path.
    #[test]
    fn patterns_match_what_they_match_in_docker() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("**", &["file", "dir/file", ".env"], &[]),
            ("**/**", &["dir/file", "file"], &[]),
            ("dir/**", &["dir/file", "dir/dir2/file"], &["dir", "other"]),
            ("**/dir", &["dir", "a/dir", "a/b/dir"], &["xdir", "dir/file"]),
            ("**/dir2/*", &["dir/dir2/file", "dir2/file"], &["dir/dir2", "dir/dir2/a/b"]),
            ("**/dir2/**", &["dir/dir2/dir3/file"], &["dir/dir2"]),
            ("**file", &["file", "dir/file", "dir/afile"], &["filex"]),
            ("**/file*txt", &["dir/dir/file.txt", "filetxt"], &["dir/xfile.txt"]),
            ("**/**/*.txt", &["dir/dir/file.txt", "file.txt"], &["file.txt2"]),
            ("a**/*.txt", &["a/file.txt", "a/dir/file.txt", "a/dir/dir/file.txt"], &["b/file.txt"]),
            ("a/*.txt", &["a/file.txt"], &["a/dir/file.txt"]),
            ("a/*.txt**", &["a/file.txt", "a/file.txtx/y"], &[]),
            ("a[b-d]e", &["ace"], &["ae", "aae"]),
            ("a[^b-d]e", &["aze"], &["ace"]),
            (".*", &[".foo"], &["foo"]),
            ("abc.def", &["abc.def"], &["abcdef", "abcZdef"]),
            ("abc?def", &["abcZdef"], &["abcdef", "abc/def"]),
            (r"a\\", &[r"a\"], &["a"]),
            (r"a\*b", &["a*b"], &["ab", "axb"]),
            ("**/.foo", &[".foo", "x/.foo"], &["bar.foo"]),
            ("a(b)c/def", &["a(b)c/def"], &["a(b)c/xyz"]),
            ("a.|)$(}+{bc", &["a.|)$(}+{bc"], &[]),
            ("*", &["abc", ".abc"], &["ab/c"]),
            ("a*/b", &["abc/b"], &["a/c/b"]),
            ("a*b*c*d*e*/f", &["axbxcxdxe/f", "axbxcxdxexxx/f"], &["axbxcxdxe/xxx/f", "axbxcxdxexxx/fff"]),
            ("a*b?c*x", &["abxbbxdbxebxczzx"], &["abxbbxdbxebxczzy"]),
            ("a[^a]b", &["a☺b"], &["aab"]),
            ("[a-ζ]*", &["α"], &[]),
            (r"[\]a]", &["]", "a"], &["b"]),
            (r"[x\-]", &["x", "-"], &["z"]),
        ];
        for (text, matched, others) in cases {
            let pattern = Pattern::parse(text).expect(text);
            for path in *matched {
                assert!(pattern.matches(path), "`{text}` has to match `{path}`");
            }
            for path in *others {
                assert!(!pattern.matches(path), "`{text}` must not match `{path}`");
            }
        }
    }

    #[test]
    fn malformed_patterns_are_none() {
        for text in ["[]a]", "[-]", "[x-]", "[-x]", r"\", "[a-b-c]", "[", "[^", "[^bc", "a["] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
    }

    /// The regular expression that patternmatcher makes of a pattern.
    fn translated(text: &str) -> String {
        let mut out = String::from("^");
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.next_if_eq(&'*').is_some() => {
                    chars.next_if_eq(&'/');
                    out.push_str(if chars.peek().is_none() { ".*" } else { "(.*/)?" });
                }
                '*' => out.push_str("[^/]*"),
                '?' => out.push_str("[^/]"),
                '[' | ']' | '-' | '/' => out.push(c),
                c if c.is_alphanumeric() => out.push(c),
                c => out.extend(['\\', c]),
            }
        }
        out + "$"
    }

    proptest::proptest! {
        #[test]
        fn a_glob_is_its_regular_expression(
            pattern in r"([ab.]|/|\*|\*\*|\?|\[a-c\]){1,8}",
            path in "[abc./]{0,8}",
        ) {
            let pattern = Pattern::parse(&pattern).unwrap();
            if let Kind::Glob(tokens) = &pattern.kind {
                let regex = regex_lite::Regex::new(&translated(&pattern.text)).unwrap();
                proptest::prop_assert_eq!(search(tokens, &path), regex.is_match(&path), "{:?}", pattern);
            }
        }

        #[test]
        fn any_text_is_parsed(pattern in "(?s).{0,30}", path in "(?s).{0,30}") {
            let _ = Pattern::parse(&pattern).map(|pattern| pattern.matches(&path));
        }
    }
}
