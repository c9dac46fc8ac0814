//! One record of comma-separated values (RFC 4180), the form of `--secret` and `--mount` values.

/// The fields of a record. A quote that is not closed ends with the record.
#[must_use]
pub fn fields(record: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = record.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => push(&mut fields, '"'),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => push(&mut fields, c),
        }
    }
    fields
}

fn push(fields: &mut [String], c: char) {
    if let Some(last) = fields.last_mut() {
        last.push(c);
    }
}

/// A record of these fields, quoted where it has to be.
#[must_use]
pub fn record<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let quote = |field: &str| {
        if field.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.to_owned()
        }
    };
    fields.into_iter().map(quote).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let table: [(&[&str], &str); 4] = [
            (&["id=a", "src=/dev/stdin"], "id=a,src=/dev/stdin"),
            (&["id=a,b", "c"], "\"id=a,b\",c"),
            (&["say \"x\""], "\"say \"\"x\"\"\""),
            (&["", ""], ","),
        ];
        for (values, text) in table {
            assert_eq!(record(values.iter().copied()), text);
            assert_eq!(fields(text), values);
        }
    }
}
