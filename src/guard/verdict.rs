//! What comes of an examination: which findings fail the step, which are told, which the user allows.

use std::collections::BTreeSet;

use super::config::Place as Spot;
use super::finding::{Finding, Place, shown};
use super::image::Examined;
use super::needle::Severity;
use super::policy::{LeakCheck, Policy};

/// How many archives that were not opened are named.
const NAMED: usize = 10;

/// A judged examination.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What fails the step.
    pub errors: Vec<Finding>,
    /// What is told.
    pub warnings: Vec<Finding>,
    /// What was found and is allowed, with the allowance.
    allowed: Vec<String>,
    /// Whether no more than the config was wanted.
    only_config: bool,
    examined: Examined,
}

impl Verdict {
    /// Judges by the user's allowances.
    #[must_use]
    pub fn of(mut examined: Examined, policy: &Policy) -> Self {
        let only_config = policy.check == LeakCheck::Config;
        let mut verdict = Self { only_config, ..Self::default() };
        let findings = std::mem::take(&mut examined.findings);
        // An export is read whole, also if no more than its config is wanted.
        for finding in
            findings.into_iter().filter(|it| !only_config || matches!(it.place, Place::Document(_)))
        {
            match policy.allowance(&name(&finding.place)) {
                Some(allowance) => verdict.allowed.push(format!("{finding}; allowed: {allowance}")),
                None if finding.severity == Severity::Error => verdict.errors.push(finding),
                None => verdict.warnings.push(as_maybe_a_word(finding)),
            }
        }
        for finding in std::mem::take(&mut examined.allowed) {
            let allowance = policy.allowance(&name(&finding.place)).map(ToString::to_string);
            verdict.allowed.push(format!("{finding}; allowed: {}", allowance.unwrap_or_default()));
        }
        verdict.examined = examined;
        verdict
    }

    /// How many secrets are leaked.
    #[must_use]
    pub fn leaked(&self) -> usize {
        self.errors.iter().map(|finding| &finding.needle).collect::<BTreeSet<_>>().len()
    }

    /// What was done, for the log and the summary.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Examined { layers_searched, layers_skipped, bytes, unopened, more_unopened, .. } = &self.examined;
        let clean = self.errors.is_empty() && self.warnings.is_empty() && self.allowed.is_empty();
        let mut lines = vec![format!(
            "Searched {} ({:.1} MB) and the config for {}{}",
            count(*layers_searched, "layer"),
            megabytes(*bytes),
            count(self.examined.needles, "secret"),
            if clean { ": none is there" } else { "" }
        )];
        if *layers_skipped > 0 {
            let why = if self.only_config { "`leakCheck` is `config`" } else { "older than every secret" };
            lines.push(format!("Skipped {}: {why}", count(*layers_skipped, "layer")));
        }
        lines.extend(self.allowed.iter().cloned());
        if self.examined.more_allowed > 0 {
            lines.push(format!("and {} more that are allowed", self.examined.more_allowed));
        }
        let named = unopened.iter().take(NAMED);
        lines.extend(
            named.map(|file| format!("Not opened: `{}`, {}", shown(&file.path.join("!")), file.reason)),
        );
        let rest = unopened.len().saturating_sub(NAMED) as u64 + more_unopened;
        if rest > 0 {
            lines.push(format!("and {rest} more archives that were not opened"));
        }
        if self.examined.more_findings > 0 {
            lines.push(format!("and {} more findings", self.examined.more_findings));
        }
        lines
    }
}

/// A finding of a value that may stand there by chance, with the way to say so.
fn as_maybe_a_word(finding: Finding) -> Finding {
    // What the finding hides, the glob leaves open.
    let place = glob::Pattern::escape(&name(&finding.place)).replace("[*][*][*]", "*");
    let place = if matches!(finding.place, Place::Layer { .. }) { format!("/{place}") } else { place };
    let is_plain =
        !place.contains(|c: char| c.is_control() || matches!(c, '`' | '#')) && !place.contains(": ");
    let allow = if is_plain {
        format!("set `leakCheckAllow: {place} = a word`")
    } else {
        "name the place in `leakCheckAllow`".to_owned()
    };
    let mend = finding.mend.map(|mend| format!("; if not, {mend}")).unwrap_or_default();
    Finding { mend: Some(format!("if the value is also a mere word, {allow}{mend}")), ..finding }
}

fn count(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[expect(clippy::cast_precision_loss, reason = "for people, with one digit behind the point")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// A place as `leakCheckAllow` names it: a path of the image, with `!` before one in an archive; `env:NAME`,
/// `label:NAME` and `history` of the config; other documents by what they are.
fn name(place: &Place) -> String {
    match place {
        Place::Layer { path, .. } => path.join("!"),
        Place::Document(Spot::Variable(name)) => format!("env:{name}"),
        Place::Document(Spot::Label(name)) => format!("label:{name}"),
        Place::Document(Spot::History(_)) => "history".to_owned(),
        Place::Document(Spot::Annotation(name, _)) => format!("annotation:{name}"),
        Place::Document(Spot::Other(what)) => what.clone(),
        Place::Blob { digest, .. } => digest.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Form;
    use crate::guard::archive::{Reason, Unopened};
    use crate::guard::policy::Policy;

    fn finding(severity: Severity, place: Place) -> Finding {
        Finding {
            needle: "secret `K`".to_owned(),
            severity,
            form: Form::Raw,
            platforms: Vec::new(),
            place,
            instruction: None,
            mend: None,
        }
    }

    fn file(path: &str) -> Place {
        Place::Layer {
            digest: "sha256:0123456789abcdef".to_owned(),
            number: Some(2),
            path: vec![path.to_owned()],
            offset: 3,
            in_header: false,
            deleted_by: None,
        }
    }

    fn policy(inputs: &[(&str, &str)]) -> Policy {
        let env = inputs.iter().map(|(name, value)| (format!("INPUT_{name}"), *value)).collect();
        Policy::parse(&env).expect("the inputs are right")
    }

    #[test]
    fn a_value_that_may_be_a_word_is_told_with_the_way_to_allow_it() {
        let document = |spot| Place::Document(spot);
        let table = [
            (file("etc/mode"), "set `leakCheckAllow: /etc/mode = a word`"),
            (file("src/[id]/***.txt"), "set `leakCheckAllow: /src/[[]id[]]/*.txt = a word`"),
            (file("a\nb: c"), "name the place in `leakCheckAllow`"),
            (document(Spot::Variable("MODE".to_owned())), "set `leakCheckAllow: env:MODE = a word`"),
            (document(Spot::History(1)), "set `leakCheckAllow: history = a word`"),
        ];
        for (place, allow) in table {
            let mend = Some("mount it".to_owned());
            let found = Finding { mend, ..finding(Severity::Warning, place) };
            let examined = || Examined { findings: vec![found.clone()], ..Examined::default() };
            let warned = Verdict::of(examined(), &policy(&[])).warnings.remove(0).to_string();
            assert_eq!(
                warned,
                format!("{found}").replace(
                    ": mount it",
                    &format!(": if the value is also a mere word, {allow}; if not, mount it")
                )
            );
            // What is said does what it says.
            if let Some((_, line)) = allow.split_once(": ") {
                let policy = policy(&[("LEAKCHECKALLOW", line.trim_end_matches('`'))]);
                assert_eq!(Verdict::of(examined(), &policy).allowed.len(), 1, "{line}");
            }
        }
    }

    #[test]
    fn a_name_of_the_image_takes_one_line() {
        let unopened = vec![Unopened {
            path: vec!["a\n##vso[task.complete]".to_owned(), "\u{1b}[31mb.xz".to_owned()],
            reason: Reason::Format("xz"),
        }];
        let verdict = Verdict::of(Examined { unopened, ..Examined::default() }, &policy(&[]));
        assert_eq!(
            verdict.lines()[1],
            r"Not opened: `a\n##vso[task.complete]!\u{1b}[31mb.xz`, xz is not opened"
        );
        let found = finding(Severity::Error, file("a\r\n##vso[task.complete]")).to_string();
        assert!(found.contains(r"`a\r\n##vso[task.complete]`"), "{found}");
    }

    #[test]
    fn a_finding_is_an_error_a_warning_or_allowed() {
        let found = || Examined {
            findings: vec![
                finding(Severity::Error, file("etc/a")),
                finding(Severity::Warning, file("etc/b")),
                finding(Severity::Error, Place::Document(Spot::Variable("MODE".to_owned()))),
            ],
            needles: 3,
            layers_searched: 2,
            layers_skipped: 1,
            bytes: 1_500_000,
            ..Examined::default()
        };
        let verdict = Verdict::of(found(), &policy(&[("LEAKCHECKALLOW", "env:MODE = a word")]));
        assert_eq!((verdict.errors.len(), verdict.warnings.len(), verdict.leaked()), (1, 1, 1));
        assert_eq!(
            verdict.lines(),
            [
                "Searched 2 layers (1.5 MB) and the config for 3 secrets",
                "Skipped 1 layer: older than every secret",
                "secret `K` is in the image, as it is, in the variable `MODE` of its config; allowed: env:MODE (a word)",
            ]
        );
        let verdict = Verdict::of(found(), &policy(&[("LEAKCHECK", "config")]));
        assert_eq!((verdict.errors.len(), verdict.warnings.len()), (1, 0), "layers are not wanted");
        assert_eq!(verdict.lines()[1], "Skipped 1 layer: `leakCheck` is `config`");
    }
}
