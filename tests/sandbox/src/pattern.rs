//! Which requests a fault or a question about the record means.

/// Whether `pattern` occurs in `"{method} {target}"`: case-insensitive, `*` or `…` stands for any text.
pub(crate) fn matches(pattern: &str, method: &str, target: &str) -> bool {
    let text = format!("{method} {target}").to_lowercase();
    let mut rest = text.as_str();
    pattern.to_lowercase().split(['*', '…']).all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_pattern_is_a_part_of_method_and_target() {
        let target = "/Contoso/_apis/packaging/Feeds?includeUrls=false";
        for pattern in
            ["packaging/feeds", "GET /contoso", "_apis/*/feeds", "…/packaging/feeds", "", "includeurls"]
        {
            assert!(matches(pattern, "GET", target), "{pattern}");
        }
        for pattern in ["PUT /contoso", "feeds*_apis", "resourceAreas"] {
            assert!(!matches(pattern, "GET", target), "{pattern}");
        }
    }
}
