//! Which layers are too old to hold a secret: made well before any of the secrets existed.
//!
//! Rule: only what proves itself old is skipped. A password has no birth, so with one among the secrets every layer is
//! read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far the clocks of the builder and of the service that issued a token may differ.
const SKEW: Duration = Duration::from_mins(15);

/// Before Docker's first release (2013-03-20, 15,784 days after the epoch) no layer was made: an earlier time was set by
/// somebody and says nothing.
const FIRST_RELEASE: Duration = Duration::from_hours(24 * 15_784);

/// The times of an image's history, oldest first, and how they came about.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// When each instruction ran, by the builder's clock; `None` where the image does not say.
    pub created: &'a [Option<SystemTime>],
    /// Whether `SOURCE_DATE_EPOCH` may have replaced the clock, in the environment, an argument or an `ARG`.
    pub pinned: bool,
}

/// Whether an instruction of a history, by its text, made a layer in any case: a `RUN`, `COPY` or `ADD` of BuildKit's.
///
/// Where the history says that one made none, its base image had a history longer than its layers: BuildKit then takes
/// the layers for those of the first entries (`normalizeLayersAndHistory`), and no entry's time is that of its layer.
#[must_use]
pub fn makes_layer(instruction: &str) -> bool {
    instruction.ends_with("# buildkit")
        && ["RUN ", "COPY ", "ADD "].iter().any(|keyword| instruction.starts_with(keyword))
}

impl History<'_> {
    /// How many of its first entries were made before `births` (those of all secrets; `None` for one without). Layers
    /// of these entries need no search.
    #[must_use]
    pub fn predating(&self, births: &[Option<SystemTime>]) -> usize {
        let oldest = births.iter().try_fold(None, |oldest: Option<SystemTime>, birth| {
            let birth = (*birth)?;
            Some(Some(oldest.map_or(birth, |oldest| oldest.min(birth))))
        });
        let limit = oldest.flatten().and_then(|oldest| oldest.checked_sub(SKEW));
        let Some(limit) = limit.filter(|_| !self.pinned && self.runs_forward()) else { return 0 };
        let is_old = |created: &&Option<SystemTime>| {
            created.is_some_and(|created| created > UNIX_EPOCH + FIRST_RELEASE && created < limit)
        };
        self.created.iter().take_while(is_old).count()
    }

    /// A clock that goes backwards is none to rely on.
    fn runs_forward(&self) -> bool {
        self.created.iter().flatten().is_sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + 60 * minutes)
    }

    fn predating(created: &[Option<SystemTime>], births: &[Option<SystemTime>]) -> usize {
        History { created, pinned: false }.predating(births)
    }

    #[test]
    fn layers_made_before_every_secret_need_no_search() {
        let created = [Some(at(0)), Some(at(10)), Some(at(50))];
        assert_eq!(predating(&created, &[Some(at(60)), Some(at(90))]), 2);
        assert_eq!(predating(&created, &[Some(at(66))]), 3);
        assert_eq!(predating(&created, &[Some(at(65))]), 2, "fifteen minutes are the least");
        assert_eq!(predating(&created, &[Some(at(15))]), 0);
    }

    #[test]
    fn whatever_proves_nothing_is_searched() {
        let old = [Some(at(0)), Some(at(10))];
        let births = [Some(at(600))];
        assert_eq!(predating(&old, &[Some(at(600)), None]), 0, "a password has no birth");
        assert_eq!(predating(&old, &[]), 0, "nothing is known of the secrets");
        assert_eq!(History { created: &old, pinned: true }.predating(&births), 0, "SOURCE_DATE_EPOCH");
        assert_eq!(predating(&[Some(at(10)), Some(at(0))], &births), 0, "a clock that goes backwards");
        assert_eq!(predating(&[Some(UNIX_EPOCH), Some(at(0))], &births), 0, "an image of 1970");
        assert_eq!(predating(&[Some(at(0)), None], &births), 1, "an entry without a time");
        assert_eq!(predating(&[Some(at(0)), Some(at(9999))], &births), 1, "a time in the future");
    }
}
