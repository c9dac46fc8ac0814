//! The bounds that the task keeps, and whether it does.

use feedbuild_suites::Store;

use crate::contest::{Contestant, Times};

/// A measured value and the most that it may be.
#[derive(Debug)]
pub(crate) struct Bound {
    /// What was measured.
    pub(crate) what: String,
    /// The value.
    pub(crate) measured: f64,
    /// The most that it may be.
    pub(crate) limit: f64,
    /// The unit of both.
    pub(crate) unit: &'static str,
}

impl Bound {
    /// Whether the value is within the bound.
    pub(crate) fn is_met(&self) -> bool {
        self.measured <= self.limit
    }
}

/// What the step may cost over what it cannot do without, over what a user would run by hand, and over a slow network.
pub(crate) fn speed(store: Store, times: &Times) -> [Bound; 3] {
    let median = |contestant| times.of(contestant).median();
    let (step, distant) = (median(Contestant::Step), median(Contestant::DistantStep));
    let (plugin, docker, node) =
        (median(Contestant::Plugin), median(Contestant::Docker), median(Contestant::Node));
    [
        Bound {
            what: format!("step − (plugin + node -e 0), {store:?}"),
            measured: step - plugin - node,
            limit: 25.0,
            unit: "ms",
        },
        Bound {
            what: format!("step / docker buildx build, {store:?}"),
            measured: step / docker,
            limit: 1.0,
            unit: "×",
        },
        Bound {
            what: format!("50 ms more a request, {store:?}"),
            measured: distant - step,
            limit: 110.0,
            unit: "ms",
        },
    ]
}

/// Peak resident memory of the native process, in KiB.
pub(crate) fn memory(store: Store, peak: u32) -> Bound {
    Bound {
        what: format!("peak resident memory, {store:?}"),
        measured: f64::from(peak) * 1024.0 / 1e6,
        limit: 20.0,
        unit: "MB",
    }
}
