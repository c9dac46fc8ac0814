//! How far a download, an upload or an export has come, for people.

use super::status::Transfer;

impl Transfer {
    /// As buildx's plain progress says it, e.g. `extracting sha256:… 12.50MB / 30.00MB 0.5s done`.
    pub(super) fn line(&self) -> String {
        let amount = match (self.current, self.total) {
            (0, 0) => String::new(),
            (current, 0) => format!(" {}", size(current)),
            (current, total) => format!(" {} / {}", size(current), size(total)),
        };
        let took = self.started.zip(self.completed.or(self.timestamp));
        let took = took.and_then(|(from, to)| to.duration_since(from).ok());
        let took = took
            .filter(|took| took.as_millis() > 10)
            .map_or_else(String::new, |took| format!(" {:.1}s", took.as_secs_f64()));
        let done = if self.completed.is_some() { " done" } else { "" };
        format!("{}{amount}{took}{done}", self.id)
    }
}

/// Bytes for people, in decimal units.
#[must_use]
pub fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let in_units = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        0..1_000 => format!("{bytes}B"),
        1_000..1_000_000 => format!("{:.2}kB", in_units(1_000)),
        1_000_000..1_000_000_000 => format!("{:.2}MB", in_units(1_000_000)),
        _ => format!("{:.2}GB", in_units(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_transfer_says_how_much_and_how_long() {
        let at = |millis| Some(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
        let transfer = |current, total, timestamp, completed| Transfer {
            id: "extracting".to_owned(),
            vertex: "v".to_owned(),
            total,
            current,
            timestamp,
            started: at(0),
            completed,
        };
        for (transfer, line) in [
            (transfer(0, 0, at(5), None), "extracting"),
            (transfer(399, 0, at(9), at(9)), "extracting 399B done"),
            (transfer(12_500_000, 3_000_000_000, at(5_250), None), "extracting 12.50MB / 3.00GB 5.2s"),
            (transfer(1_500, 1_500, at(9_000), at(1_000)), "extracting 1.50kB / 1.50kB 1.0s done"),
        ] {
            assert_eq!(transfer.line(), line);
        }
    }
}
