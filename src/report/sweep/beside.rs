//! Two sweeps beside each other: what each says of the same two arms along the same factor.

use super::curves::{self, Comparison, Panel, judged};
use crate::record::{Records, SweepRecord};
use crate::report::format::capitalised;
use crate::report::table::{Cell, Table};
use crate::stats::outcome::{Outcome, Rule};

/// What this sweep and those of other images say of the same arms and factors, and a sentence where they contradict
/// each other.
pub fn beside(sweep: &SweepRecord, panels: &[Panel], others: &[Records], rule: Rule) -> (Table, Vec<String>) {
    let mut table =
        Table::new(&["factor", "levels", "arms", "#here, points", "other images", "#there, points", "together"]);
    let mut disagreements = Vec::new();
    let others = others.iter().filter_map(|records| Some((records, records.sweep.as_ref()?)));
    for (records, other) in others.filter(|(_, other)| other.title != sweep.title) {
        let theirs = curves::panels(records, other);
        let both = theirs.iter().filter_map(|theirs| Some((same_factor(panels, theirs)?, theirs)));
        let (ours, theirs): (Vec<&Panel>, Vec<&Panel>) = both.unzip();
        let on_both = |panel: &Panel, value: f64| {
            [&ours, &theirs]
                .iter()
                .all(|panels| panels.iter().any(|p| p.factor.name == panel.factor.name && has(p, value)))
        };
        let (all_here, all_there) = (judged(&ours, on_both, rule), judged(&theirs, on_both, rule));
        for ((ours, here), there) in ours.iter().zip(&all_here).zip(&all_there) {
            for here in here {
                let same =
                    |there: &&Comparison| (&there.first.arm, &there.second.arm) == (&here.first.arm, &here.second.arm);
                let Some(there) = there.iter().find(same) else { continue };
                let together = together(here.outcome, there.outcome);
                if together == "disagree" {
                    disagreements.push(format!(
                        "{}: these images and those of `{}` disagree on `{}` and `{}`. Here {}, there {}.",
                        capitalised(&ours.factor.title),
                        records.dataset.name,
                        here.first.label,
                        here.second.label,
                        here.verdict(rule),
                        there.verdict(rule)
                    ));
                }
                let levels = ours.factor.levels.iter().filter(|level| on_both(ours, level.value));
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

fn same_factor<'p, 'a>(panels: &'p [Panel<'a>], theirs: &Panel) -> Option<&'p Panel<'a>> {
    panels.iter().find(|panel| panel.factor.name == theirs.factor.name)
}

fn has(panel: &Panel, value: f64) -> bool {
    panel.factor.levels.iter().any(|level| level.value == value)
}

fn together(here: Outcome, there: Outcome) -> &'static str {
    match (here == Outcome::Undecided, there == Outcome::Undecided) {
        (false, false) if here == there => "agree",
        (false, false) => "disagree",
        (false, true) => "decided here only",
        (true, false) => "decided there only",
        (true, true) => "undecided",
    }
}
