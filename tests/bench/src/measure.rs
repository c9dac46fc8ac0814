//! Series of times, and the statistics that are robust against a machine with other work.

use std::time::Duration;

/// The times of one contestant, in milliseconds, in order of size.
#[derive(Debug)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    /// Of at least one time.
    pub(crate) fn new(times: &[Duration]) -> Self {
        let mut times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The median; of an even number, the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        if self.0.len().is_multiple_of(2) {
            f64::midpoint(self.0[middle - 1], self.0[middle])
        } else {
            self.0[middle]
        }
    }

    /// The shortest: what a machine without other work would come to.
    pub(crate) fn shortest(&self) -> f64 {
        self.0[0]
    }

    /// The first and the third quartile (nearest rank).
    pub(crate) fn quartiles(&self) -> (f64, f64) {
        let last = self.0.len() - 1;
        (self.0[last / 4], self.0[last - last / 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(milliseconds: &[u64]) -> Series {
        Series::new(&milliseconds.iter().copied().map(Duration::from_millis).collect::<Vec<_>>())
    }

    #[test]
    fn one_slow_run_moves_neither_median_nor_quartiles() {
        let calm = series(&[5, 1, 4, 2, 3]);
        let disturbed = series(&[500, 1, 4, 2, 3]);
        for series in [calm, disturbed] {
            assert!((series.median() - 3.0).abs() < 1e-9);
            assert_eq!(series.quartiles(), (2.0, 4.0));
            assert!((series.shortest() - 1.0).abs() < 1e-9);
        }
        assert!((series(&[4, 1, 2, 3]).median() - 2.5).abs() < 1e-9);
    }
}
