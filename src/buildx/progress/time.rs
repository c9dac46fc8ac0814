//! Timestamps as Go writes them into JSON: RFC 3339 with up to nine digits of a second. The engine's are in UTC, those
//! of buildx's own steps have the agent's offset.

use std::time::{Duration, SystemTime};

/// The moment that `text` names.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    if text.ends_with('Z') {
        return humantime::parse_rfc3339(text).ok();
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub("+00:00".len())?)?;
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let minutes = hours.parse::<u64>().ok()? * 60 + minutes.parse::<u64>().ok()?;
    let offset_seconds = Duration::from_secs(minutes * 60);
    match offset.as_bytes()[0] {
        b'+' => local.checked_sub(offset_seconds),
        b'-' => local.checked_add(offset_seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_taken_off() {
        let utc = parse("2026-11-24T11:32:48.23801006Z").expect("UTC");
        assert_eq!(parse("2026-11-24T13:02:48.23801006+01:30"), Some(utc));
        assert_eq!(parse("2026-11-24T06:32:48.23801006-05:00"), Some(utc));
        assert_eq!(parse("1970-01-01T00:00:01Z"), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1)));
    }

    #[test]
    fn what_is_no_timestamp_is_none() {
        for text in ["", "Z", "+01:00", "now", "2026-11-24T11:32:48", "2026-11-24T11:32:48é1:00", "ü6-11-24"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
