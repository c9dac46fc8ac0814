//! What the agent replaces by `***` in every line that it logs.
//!
//! Follows `Worker.cs`, `HostContext.cs` and `AdditionalMaskingRegexes.cs`. The forms differ: a secret
//! variable of the job is masked in base64 too, a value that a task registers later is not.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;

/// The characters that .NET's `Uri.EscapeDataString` escapes.
const URI_DATA: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The password of a URL, which is masked whether it is known or not.
static URL_PASSWORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"//[^:/?#\n]+:((?:[\w.~\-]|(?:%|%AZP25)[0-9a-fA-F]{2}|[!$&'()*+,;=]|:)+)@")
        .expect("the pattern is constant")
});

#[derive(Clone, Debug, Default)]
pub(crate) struct Masker {
    values: BTreeSet<String>,
}

impl Masker {
    /// Registers a value as `task.setsecret` does: itself and what the three encoders make of it.
    pub(crate) fn add(&mut self, value: &str) {
        let json = serde_json::Value::from(value).to_string();
        for form in [
            value,
            &json[1..json.len() - 1],
            &utf8_percent_encode(value, URI_DATA).to_string(),
            // The agent's name for it is an escape, but it undoes one.
            &value.replace(r"\\", r"\").replace(r"\'", "'").replace("\\\"", "\"").replace(r"\t", "\t"),
        ] {
            if !form.is_empty() {
                self.values.insert(form.to_owned());
            }
        }
    }

    /// Registers a secret variable that the job starts with.
    pub(crate) fn add_job_secret(&mut self, value: &str) {
        if value.trim().is_empty() {
            return;
        }
        for value in [value, &BASE64_STANDARD.encode(value)] {
            let lines = value.replace('\r', "%0D").replace('\n', "%0A");
            let percent = value.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A");
            for form in [value, &lines, &percent] {
                self.add(form);
                self.add(form.trim_matches(['\r', '\n', ' ']));
                for quote in ['\'', '"'] {
                    if form.starts_with(quote) && form.ends_with(quote) {
                        self.add(form.trim_matches(quote));
                    }
                }
            }
        }
    }

    /// `text` with every registered value replaced; values that overlap or touch become one mask.
    pub(crate) fn mask(&self, text: &str) -> String {
        let mut found: Vec<Range<usize>> =
            self.values.iter().flat_map(|value| occurrences(text, value)).collect();
        found.extend(
            URL_PASSWORD.captures_iter(text).filter_map(|url| url.get(1)).map(|password| password.range()),
        );
        found.sort_by_key(|range| range.start);

        let mut masked = String::with_capacity(text.len());
        let mut end = None;
        for range in found {
            if end.is_none_or(|end| range.start > end) {
                masked.push_str(&text[end.unwrap_or(0)..range.start]);
                masked.push_str("***");
            }
            end = end.max(Some(range.end));
        }
        masked.push_str(&text[end.unwrap_or(0)..]);
        masked
    }

    /// Every registered form.
    pub(crate) fn values(&self) -> &BTreeSet<String> {
        &self.values
    }
}

/// Where `value` is in `text`, also where it overlaps itself.
fn occurrences<'a>(text: &'a str, value: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let step = value.chars().next().map_or(1, char::len_utf8);
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text.get(from..)?.find(value)?;
        from = start + step;
        Some(start..start + value.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker(values: &[&str]) -> Masker {
        let mut masker = Masker::default();
        for value in values {
            masker.add(value);
        }
        masker
    }

    #[test]
    fn values_that_overlap_or_touch_become_one_mask() {
        assert_eq!(masker(&["abc", "cde"]).mask("xabcdey abccde"), "x***y ***");
        assert_eq!(masker(&["aba"]).mask("ababa-aba"), "***-***");
        assert_eq!(masker(&["secret", "s"]).mask("no secret"), "no ***");
    }

    #[test]
    fn a_registered_value_is_masked_in_the_encoders_forms() {
        let masker = masker(&["p\"ä/s\\\\s"]);
        for form in ["p\"ä/s\\\\s", r#"p\"ä/s\\\\s"#, "p%22%C3%A4%2Fs%5C%5Cs", "p\"ä/s\\s"] {
            assert_eq!(masker.mask(&format!("<{form}>")), "<***>");
        }
        assert_eq!(
            masker.mask(&BASE64_STANDARD.encode("p\"ä/s\\\\s")),
            BASE64_STANDARD.encode("p\"ä/s\\\\s")
        );
    }

    #[test]
    fn a_secret_variable_of_the_job_is_masked_in_base64_trimmed_and_unquoted_too() {
        let mut masker = Masker::default();
        masker.add_job_secret("\"one%two\"\n");
        masker.add_job_secret("'three'");
        masker.add_job_secret("  ");
        for form in ["\"one%two\"", "\"one%two\"%0A", &BASE64_STANDARD.encode("\"one%two\"\n"), "three"] {
            assert_eq!(masker.mask(&format!("<{form}>")), "<***>", "{form}");
        }
        assert_eq!(masker.mask("a  b"), "a  b");
    }

    #[test]
    fn passwords_in_urls_are_masked_unknown() {
        assert_eq!(
            masker(&[]).mask("https://build:pa%20ss@host/x, https://user@host, https://host:8080/a@b"),
            "https://build:***@host/x, https://user@host, https://host:8080/a@b"
        );
    }
}
