//! Text in XML 1.0, which has no way to write some characters.

/// `text` as an element or as an attribute in double quotes holds it. A tab or line break is a reference, since a
/// parser makes it a blank in an attribute.
pub(super) fn escaped(text: &str) -> anyhow::Result<String> {
    anyhow::ensure!(text.chars().all(is_char), "XML cannot hold a control character");
    Ok(quick_xml::escape::escape(text).replace('\t', "&#9;").replace('\n', "&#10;"))
}

/// `Char` of XML 1.0, section 2.2.
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
