//! Build arguments, shown without secrets: an image's history has them all, but not everybody reads that.

use regex_lite::Regex;

use super::markdown::Markdown;

/// Words in the name of an argument whose value is not shown, as in BuildKit's check `SecretsUsedInArgOrEnv`.
const SECRET_NAMES: [&str; 9] =
    ["APIKEY", "AUTH", "CREDENTIAL", "KEY", "PASSWD", "PASSWORD", "PWORD", "SECRET", "TOKEN"];

/// How much of a value is shown.
const SHOWN: usize = 120;

/// A table of `NAME=VALUE` and `NAME` arguments; empty without any.
pub(super) fn table(markdown: Markdown<'_>, arguments: &[String]) -> String {
    if arguments.is_empty() {
        return String::new();
    }
    let rows = arguments.iter().map(|argument| {
        let (name, value) = match argument.split_once('=') {
            None => (argument.as_str(), "of the environment".to_owned()),
            Some((name, _)) if is_secret(name) => (name, "not shown".to_owned()),
            Some((name, "")) => (name, "empty".to_owned()),
            Some((name, value)) => {
                (name, markdown.short_code(&without_password(&markdown.redacted(value)), SHOWN))
            }
        };
        format!("| {} | {value} |\n", markdown.code(name))
    });
    std::iter::once("| Build argument | Value |\n|---|---|\n".to_owned()).chain(rows).collect()
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|word| name.contains(word))
}

/// A value in which no URL has a user or a password.
fn without_password(value: &str) -> String {
    match Regex::new(r"://[^/\s]*@") {
        Ok(user_info) => user_info.replace_all(value, "://***@").into_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let arguments = [
            "VERSION=1.2",
            "GIT_TOKEN=abc",
            "HTTP_PROXY=http://u:p@ss@proxy:80/",
            "EMPTY=",
            "FROM_ENV",
            "<b>=a|b",
        ];
        assert_eq!(
            table(Markdown::new(&str::to_owned), &arguments.map(str::to_owned)),
            "| Build argument | Value |\n|---|---|\n\
             | `VERSION` | `1.2` |\n\
             | `GIT_TOKEN` | not shown |\n\
             | `HTTP_PROXY` | `http://***@proxy:80/` |\n\
             | `EMPTY` | empty |\n\
             | `FROM_ENV` | of the environment |\n\
             | `<b>` | `a\\|b` |\n"
        );
        assert_eq!(table(Markdown::new(&str::to_owned), &[]), "");
    }
}
