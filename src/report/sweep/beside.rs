//! Two sweeps beside each other: what each says of the same two arms along the same factor.

use super::curves::{self, Comparison, Panel};
use crate::record::{Records, SweepRecord};
use crate::report::format::capitalised;
use crate::report::table::{Cell, Table};

/// What this sweep and those of other images say of the same arms and factors, and a sentence where they contradict
/// each other.
pub fn beside(sweep: &SweepRecord, panels: &[Panel], others: &[Records]) -> (Table, Vec<String>) {
    let mut table =
        Table::new(&["factor", "levels", "arms", "#here, points", "other images", "#there, points", "together"]);
    let mut disagreements = Vec::new();
    let others = others.iter().filter_map(|records| Some((records, records.sweep.as_ref()?)));
    for (records, other) in others.filter(|(_, other)| other.title != sweep.title) {
        for theirs in curves::panels(records, other) {
            let Some(ours) = panels.iter().find(|panel| panel.factor.name == theirs.factor.name) else { continue };
            let has = |panel: &Panel, value: f64| panel.factor.levels.iter().any(|level| level.value == value);
            let shared = |value: f64| has(ours, value) && has(&theirs, value);
            let there = theirs.comparisons(shared);
            for here in ours.comparisons(shared) {
                let same =
                    |there: &&Comparison| (&there.first.arm, &there.second.arm) == (&here.first.arm, &here.second.arm);
                let Some(there) = there.iter().find(same) else { continue };
                let together = match (here.suffers_less(), there.suffers_less()) {
                    (Some(a), Some(b)) if a == b => "agree",
                    (Some(_), Some(_)) => "disagree",
                    (Some(_), None) => "decided here only",
                    (None, Some(_)) => "decided there only",
                    (None, None) => "undecided",
                };
                if together == "disagree" {
                    disagreements.push(format!(
                        "{}: these images and those of `{}` disagree on `{}` and `{}`. Here {}, there {}.",
                        capitalised(&ours.factor.title),
                        records.dataset.name,
                        here.first.label,
                        here.second.label,
                        here.verdict(),
                        there.verdict()
                    ));
                }
                let levels = ours.factor.levels.iter().filter(|level| shared(level.value));
                let levels: Vec<String> = levels.map(|level| level.value.to_string()).collect();
                let cells = [
                    Cell::text(&*ours.factor.name),
                    Cell::text(levels.join(", ")),
                    Cell::text(format!("{}, {}", here.first.label, here.second.label)),
                    here.difference(),
                    Cell::code(&*records.dataset.name),
                    there.difference(),
                    Cell::text(together),
                ];
                table.push("", cells.into());
            }
        }
    }
    (table, disagreements)
}
