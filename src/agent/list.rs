//! Lists in inputs, as docker/build-push-action reads them: a value a line, some also separated by commas.
//!
//! Rule: a value in double quotes may hold line breaks, and `""` in it is a quote; quotes within a value are part of
//! it. (That action also drops quotes after a comma of a value, which would break a value that is itself CSV.)

use crate::csv;
use crate::error::hinted;

/// The values of a list in which a comma is part of the value; `input` is its name.
pub(super) fn lines(input: &str, text: &str) -> anyhow::Result<Vec<String>> {
    let mut values = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        rest = rest.trim_start();
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let (value, after) = match rest.strip_prefix('"').map(closed) {
            None | Some(Closed::Within) => (line.trim().to_owned(), after),
            Some(Closed::Whole(value, after)) => (value.trim().to_owned(), after),
            Some(Closed::Never) => {
                return Err(hinted(
                    format!("input `{input}` has a double quote that is not closed"),
                    "close it; a quote within a quoted value is written `\"\"`",
                ));
            }
        };
        if !value.is_empty() {
            values.push(value);
        }
        rest = after;
    }
    Ok(values)
}

/// The values of a list in which a comma separates, too.
pub(super) fn words(text: &str) -> Vec<String> {
    let fields = text.lines().flat_map(|line| csv::fields(line.trim()));
    fields.map(|field| field.trim().to_owned()).filter(|field| !field.is_empty()).collect()
}

/// Where a quote that begins a line is closed.
enum Closed<'a> {
    /// At the end of a line: the value, and what follows it.
    Whole(String, &'a str),
    /// Within a line, so that it is part of the value.
    Within,
    Never,
}

fn closed(text: &str) -> Closed<'_> {
    let mut value = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('"') {
        value.push_str(before);
        if let Some(after) = after.strip_prefix('"') {
            value.push('"');
            rest = after;
            continue;
        }
        let (line, after) = after.split_once('\n').unwrap_or((after, ""));
        return if line.trim().is_empty() { Closed::Whole(value, after) } else { Closed::Within };
    }
    Closed::Never
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::render;

    #[test]
    fn a_value_a_line() {
        let table: [(&str, &[&str]); 9] = [
            ("", &[]),
            (" a=1 \n\n\tb=2, 3\r\n", &["a=1", "b=2, 3"]),
            ("type=local,src=a", &["type=local,src=a"]),
            (r#"type=local,"src=a,b""#, &[r#"type=local,"src=a,b""#]),
            (r#""type=local,""src=a,b""""#, &[r#"type=local,"src=a,b""#]),
            ("\"a=line 1\nline 2\"\nb", &["a=line 1\nline 2", "b"]),
            (r#"a={"b": "c", "d": ["e"]}"#, &[r#"a={"b": "c", "d": ["e"]}"#]),
            ("\"a\" b\nc", &["\"a\" b", "c"]),
            ("\"\"\na", &["a"]),
        ];
        for (text, values) in table {
            assert_eq!(lines("labels", text).expect(text), values, "{text}");
        }
        assert_eq!(
            render(&lines("labels", "a\n\"b=1\nc").expect_err("it is open")),
            "input `labels` has a double quote that is not closed\n\nhint: close it; a quote within a quoted value is \
             written `\"\"`"
        );
    }

    #[test]
    fn a_value_between_commas() {
        let table: [(&str, &[&str]); 4] = [
            ("", &[]),
            ("linux/amd64,linux/arm64", &["linux/amd64", "linux/arm64"]),
            (" a , b\n\nc,\n", &["a", "b", "c"]),
            ("\"default=a,b\",other", &["default=a,b", "other"]),
        ];
        for (text, values) in table {
            assert_eq!(words(text), values, "{text}");
        }
    }
}
