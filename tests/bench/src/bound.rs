//! The bounds that the task keeps, and whether it does.

use feedbuild_suites::Store;

use crate::contest::{Contestant, Times};

/// A measured value and the most that it may be.
#[derive(Debug)]
pub(crate) struct Bound {
    /// What was measured.
    pub(crate) what: String,
    /// The value; of times, from the medians.
    pub(crate) measured: f64,
    /// Of times, the value from the shortest, which other work on the machine raises least.
    pub(crate) at_best: Option<f64>,
    /// The most that it may be.
    pub(crate) limit: f64,
    /// The unit of all three.
    pub(crate) unit: &'static str,
}

impl Bound {
    /// Whether the value is within the bound.
    pub(crate) fn is_met(&self) -> bool {
        self.measured <= self.limit
    }
}

/// What the step may cost over what it cannot do without, over what a user would run by hand, and over a slow network.
pub(crate) fn speed(store: Store, times: &Times) -> [Bound; 4] {
    let bound = |what: &str, limit, unit, value: fn(Of<'_>) -> f64| Bound {
        what: format!("{what}, {store:?}"),
        measured: value(&|contestant| times.of(contestant).median()),
        at_best: Some(value(&|contestant| times.of(contestant).shortest())),
        limit,
        unit,
    };
    [
        bound("step − (plugin + node -e 0)", 25.0, "ms", |of| {
            of(Contestant::Step) - of(Contestant::Plugin) - of(Contestant::Node)
        }),
        bound("step / docker buildx build", 1.0, "×", |of| of(Contestant::Step) / of(Contestant::Docker)),
        bound("50 ms more a request", 110.0, "ms", |of| of(Contestant::DistantStep) - of(Contestant::Step)),
        bound("ten feeds − one", 20.0, "ms", |of| of(Contestant::TenFeedsStep) - of(Contestant::Step)),
    ]
}

/// A statistic of each contestant.
type Of<'a> = &'a dyn Fn(Contestant) -> f64;

/// Peak resident memory of the native process, in KiB.
pub(crate) fn memory(store: Store, peak: u32) -> Bound {
    Bound {
        what: format!("peak resident memory, {store:?}"),
        measured: f64::from(peak) * 1024.0 / 1e6,
        at_best: None,
        limit: 20.0,
        unit: "MB",
    }
}
