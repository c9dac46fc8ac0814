//! The measurements as text. Pure.

use crate::bound::Bound;
use crate::contest::{Contestant, Times};

/// One line a contestant, with differences and ratios to the one that a user would run by hand.
pub(crate) fn times(times: &Times) -> String {
    let docker = times.of(Contestant::Docker).median();
    let head = format!(
        "  {:<24}{:>10}{:>10}{:>16}{:>10}{:>10}\n",
        "ms", "median", "shortest", "quartiles", "− docker", "/ docker"
    );
    let line = |contestant: Contestant| {
        let series = times.of(contestant);
        let (median, (first, third)) = (series.median(), series.quartiles());
        let (shortest, quartiles) = (series.shortest(), format!("{first:.1}…{third:.1}"));
        let (difference, ratio) = (median - docker, median / docker);
        format!(
            "  {:<24}{median:>10.1}{shortest:>10.1}{quartiles:>16}{difference:>+10.1}{ratio:>10.2}\n",
            contestant.name()
        )
    };
    std::iter::once(head).chain(Contestant::ALL.into_iter().map(line)).collect()
}

/// One line a bound.
pub(crate) fn bounds(bounds: &[Bound]) -> String {
    let line = |bound: &Bound| {
        let verdict = if bound.is_met() { "pass" } else { "FAIL" };
        let at_best =
            bound.at_best.map(|value| format!("  ({value:.2} of the shortest)")).unwrap_or_default();
        format!(
            "  {:<44}{:>9.2} ≤ {:>6.2} {:<3} {verdict}{at_best}\n",
            bound.what, bound.measured, bound.limit, bound.unit
        )
    };
    bounds.iter().map(line).collect()
}
