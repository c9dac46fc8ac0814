//! The grammar of logging commands: `##vso[area.event key=value;…]data`, anywhere in a line.
//!
//! Follows the agent's `Command.cs`, oddities included: the first `]` ends the command, and a property
//! with an empty value disappears.

const PREFIX: &str = "##vso[";

/// A parsed logging command; area and event are in lower case, properties and data are unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggingCommand {
    /// The part before the dot, such as `task`.
    pub area: String,
    /// The part after the dot, such as `setvariable`.
    pub event: String,
    /// Names in lower case, in the order of the line.
    pub properties: Vec<(String, String)>,
    /// Everything after the closing bracket.
    pub data: String,
}

impl LoggingCommand {
    /// The command in `line`, if there is a well-formed one.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once(PREFIX)?;
        let (head, data) = rest.split_once(']')?;
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        let mut parts = name.split('.').filter(|part| !part.is_empty());
        let (Some(area), Some(event), None) = (parts.next(), parts.next(), parts.next()) else { return None };
        let properties = properties
            .split(';')
            .filter_map(|property| property.split_once('='))
            .filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .map(|(name, value)| (name.to_lowercase(), unescape(value)))
            .collect();
        Some(Self {
            area: area.to_lowercase(),
            event: event.to_lowercase(),
            properties,
            data: unescape(data),
        })
    }

    /// The value of a property, if it has one.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        // The agent's dictionary keeps the last of several.
        self.properties.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a property says `true` in any case; the agent takes everything else for `false`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.property(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }
}

/// What the agent makes of escaped text; the percent sign comes last, so that it protects the others.
pub(crate) fn unescape(text: &str) -> String {
    text.replace("%3B", ";")
        .replace("%0D", "\r")
        .replace("%0A", "\n")
        .replace("%5D", "]")
        .replace("%AZP25", "%")
}

/// How the agent itself escapes a value when it masks the command that carries it.
pub(crate) fn escape(text: &str) -> String {
    text.replace('%', "%AZP25")
        .replace(';', "%3B")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
        .replace(']', "%5D")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(area: &str, event: &str, properties: &[(&str, &str)], data: &str) -> LoggingCommand {
        LoggingCommand {
            area: area.into(),
            event: event.into(),
            properties: properties.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            data: data.into(),
        }
    }

    #[test]
    fn a_command_is_found_anywhere_in_the_line() {
        assert_eq!(
            LoggingCommand::parse("#12 0.345 ##vso[Task.SetVariable Variable=a;isOutput=true;]b"),
            Some(command("task", "setvariable", &[("variable", "a"), ("isoutput", "true")], "b"))
        );
    }

    #[test]
    fn escapes_are_undone_in_properties_and_data_alike() {
        assert_eq!(
            LoggingCommand::parse("##vso[a.b x=%3B%5D%AZP253B]%0D%0A%3B%5D%AZP25%0a]"),
            Some(command("a", "b", &[("x", ";]%3B")], "\r\n;]%%0a]"))
        );
    }

    #[test]
    fn an_escaped_value_comes_back_whole() {
        let value = "100 %; %0A %AZP25 ]\r\n;";
        let line = format!("##vso[a.b x={}]{}", escape(value), escape(value));
        assert_eq!(LoggingCommand::parse(&line), Some(command("a", "b", &[("x", value)], value)));
    }

    #[test]
    fn empty_properties_disappear() {
        assert_eq!(
            LoggingCommand::parse("##vso[a.b x=;=y;z;;k=v=w]"),
            Some(command("a", "b", &[("k", "v=w")], ""))
        );
    }

    #[test]
    fn what_is_no_command_is_a_line() {
        for line in ["", "##vso", "##vso[a.b", "##vso[a]", "##vso[a.b.c]", "##[error]x", "## vso[a.b]"] {
            assert_eq!(LoggingCommand::parse(line), None, "{line}");
        }
    }
}
