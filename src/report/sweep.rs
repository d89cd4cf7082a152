//! A sweep: accuracy of every arm at every level of one factor at a time, and what that says of the claims about it.

mod beside;
pub mod curves;

use std::collections::BTreeMap;

use anyhow::Result;
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::format::{NONE, capitalised, count, counted, list, percent, points, relation};
use super::plot::{Figure, sweep as plot};
use super::summary::{Question, mean, range};
use super::table::{Cell, Table};
use super::tables;
use super::templates;
use super::{File, PAGE, Thumbnails, picture};
use crate::record::{Records, Status, SweepQuestion, SweepRecord};
use crate::stats::compare::POWER;
use crate::stats::intervals::Student;
use crate::stats::latency::median;
use crate::stats::outcome::{Outcome, Rule, Tests, outcomes};
use curves::{Comparison, Curve, LEVEL, Panel, judged, panels};

#[derive(Debug, Serialize)]
struct View {
    title: String,
    answers: Vec<String>,
    /// Stands in the place of answers.
    unanswered: String,
    figures: Vec<Figure>,
    how: String,
    beside: Table,
    beside_note: &'static str,
    tables: Vec<FactorTable>,
    missing: Table,
    environments: Table,
    command: String,
}

#[derive(Debug, Serialize)]
struct FactorTable {
    /// Of the factor.
    name: String,
    title: String,
    table: Table,
}

/// Every file of a sweep's report; `others` are sweeps of other images, which it is compared with.
pub fn files(records: &Records, sweep: &SweepRecord, others: &[Records], question: &Question) -> Result<Vec<File>> {
    let panels = panels(records, sweep);
    let view = view(records, sweep, &panels, others, question.rule);
    let page = context! { view => Serde(&view), thumbnails => Serde(Thumbnails::new()) };
    let mut files = vec![
        File { path: "report.md".into(), bytes: templates::markdown("sweep.md", &view)?.into_bytes() },
        File { path: PAGE.into(), bytes: templates::render("sweep.html", page)?.into_bytes() },
    ];
    for figure in &view.figures {
        files.push(picture(figure)?);
    }
    Ok(files)
}

/// What the measurements say, for a terminal.
pub fn answers(records: &Records, sweep: &SweepRecord, question: &Question) -> Vec<String> {
    said(&panels(records, sweep), question.rule)
}

fn said(panels: &[Panel], rule: Rule) -> Vec<String> {
    let all: Vec<&Panel> = panels.iter().collect();
    let compared = judged(&all, |_, _| true, rule);
    let of_panel = |(panel, compared): (&Panel, &Vec<Comparison>)| -> Vec<String> {
        pretraining(panel, rule).into_iter().chain(sentences(panel, compared, rule)).chain(blank(panel)).collect()
    };
    panels.iter().zip(&compared).flat_map(of_panel).chain(carried(&compared, rule)).collect()
}

/// What so few seeds can carry.
fn carried(compared: &[Vec<Comparison>], rule: Rule) -> Option<String> {
    let all: Vec<&Comparison> = compared.iter().flatten().collect();
    let seeds = all.first()?.seeds;
    let of = |number: &dyn Fn(&Comparison) -> f64| median(&all.iter().map(|c| number(c)).collect::<Vec<_>>());
    Some(format!(
        "What {} carry: a 95 % interval reaches {} points to either side (the middle one of {}), and a comparison by \
         itself shows a true difference of {} points in four of five measurements. All comparisons are held to one level \
         together (Holm).",
        counted(seeds, "seed"),
        percent(of(&|c| c.more.reach(rule.level))?),
        counted(all.len(), "comparison"),
        percent(of(&|c| c.more.detectable(rule.level, POWER))?),
    ))
}

fn view(records: &Records, sweep: &SweepRecord, panels: &[Panel], others: &[Records], rule: Rule) -> View {
    let mut trained = match sweep.form.as_str() {
        "" => String::new(),
        form => format!(" Networks are trained in the form `{form}`."),
    };
    if let Some(steps) = sweep.image_steps {
        trained.push_str(&format!(" Every training takes {}.", counted(steps, "image step")));
    }
    let (beside, disagreements) = beside::beside(sweep, panels, others, rule);
    let table = |panel: &Panel| FactorTable {
        name: panel.factor.name.clone(),
        title: capitalised(&panel.factor.title),
        table: table(panel),
    };
    View {
        title: format!("{}: one factor at a time", sweep.title),
        answers: disagreements.into_iter().chain(said(panels, rule)).collect(),
        unanswered: unanswered(sweep),
        figures: vec![plot::figure(&sweep.title, panels)],
        how: format!(
            "Accuracy in %, mean over {}, each of which draws classes and images anew, those that are reported too; \
             smallest to largest in brackets.{trained}",
            counted(sweep.seeds.len(), "seed")
        ),
        beside,
        beside_note: "How many points more of its accuracy above chance the handcrafted arm keeps than the deep one, on \
                      average over the levels that both sweeps have, against the first of them; 95 % intervals over \
                      seeds in brackets.",
        tables: panels.iter().map(table).collect(),
        missing: missing(records),
        environments: tables::environments(&records.environments),
        command: sweep.command.clone(),
    }
}

/// One for every two compared arms.
fn sentences(panel: &Panel, compared: &[Comparison], rule: Rule) -> Vec<String> {
    let [Some(easiest), Some(hardest)] = [panel.factor.levels.first(), panel.factor.levels.last()] else {
        return Vec::new();
    };
    let sentence = |compared: &Comparison| {
        let [kept, other] = compared.kept;
        let (low, high) = compared.more.bounds(LEVEL);
        format!(
            "{}, from {} to {}: {}. Of its accuracy above chance `{}` keeps {} % on average over the other levels, \
             `{}` {} %; the difference is {} points (95 % interval {} to {}, {}, p {} after Holm's correction).",
            capitalised(&panel.factor.title),
            easiest.value,
            hardest.value,
            compared.verdict(rule),
            compared.first.label,
            percent(kept),
            compared.second.label,
            percent(other),
            points(compared.more.mean),
            points(low),
            points(high),
            counted(compared.seeds, "seed"),
            relation(compared.p_adjusted),
        )
    };
    compared.iter().map(sentence).collect()
}

/// What to measure before anything can be said.
fn unanswered(sweep: &SweepRecord) -> String {
    let arms = sweep.comparisons.first().map_or("a handcrafted and a deep arm".to_owned(), |pair| {
        format!("two arms that are compared, such as `{}` and `{}`,", pair.first, pair.second)
    });
    format!("Nothing can be said yet: measure {arms} at the first and the last level with two seeds or more.")
}

/// At which levels most images have no keypoint for an arm that describes nothing else, and what that means.
fn blank(panel: &Panel) -> Option<String> {
    let of_level = |curve: &Curve, i: usize| {
        let counts = || curve.levels[i].iter().flatten();
        let (blank, images) = (counts().map(|c| c.blank).sum::<u64>(), counts().map(|c| c.images).sum::<u64>());
        let said =
            || format!("{} of {} at {}", count(blank as usize), count(images as usize), panel.factor.levels[i].value);
        (2 * blank > images).then(said)
    };
    let of_arm = |curve: &Curve| {
        let levels: Vec<String> = (0..curve.levels.len()).filter_map(|i| of_level(curve, i)).collect();
        (!levels.is_empty()).then(|| format!("`{}` finds none in {}", curve.label, list(&levels)))
    };
    let arms: Vec<String> = panel.curves.iter().filter_map(of_arm).collect();
    (!arms.is_empty()).then(|| {
        format!(
            "{}: most images have no keypoint left: {}. What such an arm loses there is decided by its detector's \
             threshold, an absolute contrast in OpenCV, and not by its descriptor; with a threshold relative to the \
             contrast of each image nothing was measured.",
            capitalised(&panel.factor.title),
            list(&arms)
        )
    })
}

/// From how many training images on, if at all, a network that starts from random weights is no worse.
fn pretraining(panel: &Panel, rule: Rule) -> Option<String> {
    if panel.factor.name != "train" {
        return None;
    }
    let (pretrained, random) = panel.asked(SweepQuestion::Pretraining).next()?;
    let (mut said, mut tests) = (Vec::new(), Vec::new());
    for (i, level) in panel.factor.levels.iter().enumerate() {
        let pairs = pretrained.levels[i].iter().zip(&random.levels[i]);
        let gains: Vec<f64> = pairs.map(|(a, b)| Some((*a)?.accuracy() - (*b)?.accuracy())).collect::<Option<_>>()?;
        let student = Student::of(&gains)?;
        let ((low, high), gain) = (student.bounds(LEVEL), points(student.mean));
        said.push(format!("{gain} points with {} images a class ({} to {})", level.value, points(low), points(high)));
        tests.push(Tests { mean: student.mean, none: student.p_none(), apart: student.p_apart(rule.margin) });
    }
    let levels = panel.factor.levels.iter().map(|level| level.value);
    let helps: Vec<(bool, f64)> =
        outcomes(&tests, rule).into_iter().map(|(outcome, _)| outcome == Outcome::Better).zip(levels).collect();
    let without: Vec<String> = helps.iter().filter(|(helps, _)| !helps).map(|(_, value)| value.to_string()).collect();
    let verdict = match &without[..] {
        [] => "Pretraining helps at every number of training images measured".to_owned(),
        all if all.len() == helps.len() => {
            "No gain by pretraining is shown at any number of training images".to_owned()
        }
        some => format!(
            "Pretraining is not shown to help with {} training images a class, and helps with the others",
            list(some)
        ),
    };
    Some(format!(
        "{verdict}: `{}` against `{}` {} (95 % intervals, {}; the levels are judged together, by Holm). Random weights reach {} % at most, where chance is {} %: \
         it says how far ahead pretraining starts, not where long training ends.",
        pretrained.label,
        random.label,
        said.join(", "),
        counted(panel.factor.levels.first()?.datasets.len(), "seed"),
        percent((0..random.levels.len()).filter_map(|i| mean(random.at(i).into_iter())).reduce(f64::max)?),
        percent(panel.factor.levels.first()?.chance()),
    ))
}

fn table(panel: &Panel) -> Table {
    let levels = panel.factor.levels.iter().map(|level| format!("#{}", level.value));
    let titles: Vec<String> = ["arm".to_owned()].into_iter().chain(levels).collect();
    let mut table = Table::new(&titles.iter().map(String::as_str).collect::<Vec<_>>());
    for curve in &panel.curves {
        let cell = |level: usize| {
            let values = curve.at(level);
            let Some(middle) = mean(values.iter().copied()) else { return Cell::text(NONE) };
            let (low, high) = range(values.iter().copied());
            Cell::number(middle, format!("{} [{}, {}]", percent(middle), percent(low), percent(high)))
        };
        let cells = [Cell::code(&*curve.label)].into_iter().chain((0..panel.factor.levels.len()).map(cell));
        table.push(&curve.family, cells.collect());
    }
    table
}

/// What could not be measured, and why.
fn missing(records: &Records) -> Table {
    let mut reasons: BTreeMap<(&str, &str, &str), Vec<String>> = BTreeMap::new();
    for run in records.runs.iter().filter(|run| run.status != Status::Ok) {
        reasons.entry((&run.family, &run.arm, &run.reason)).or_default().push(run.dataset.clone());
    }
    let mut table = Table::new(&["arm", "data sets", "reason"]);
    for ((family, arm, reason), datasets) in reasons {
        table.push(family, vec![Cell::code(arm), Cell::text(list(&datasets)), Cell::text(reason)]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::curves::tests::{curve, factor, suffers};
    use super::*;

    #[test]
    fn sentences_say_who_suffers_and_whether_that_is_known() {
        let factor = factor();
        let all_said = |frozen| {
            let curves =
                vec![curve("sift-bovw-svm", [[0.9, 0.9], [0.4, 0.41], [0.3, 0.3]]), curve("resnet-frozen-svm", frozen)];
            let pairs = [suffers("sift-bovw-svm", "resnet-frozen-svm")];
            let panel = Panel { factor: &factor, curves, pairs: &pairs };
            said(&[panel], Rule::default())
        };
        let clear = all_said([[0.9, 0.9], [0.9, 0.9], [0.9, 0.9]]);
        assert!(
            clear.len() == 2 && clear[0].starts_with("Classes, from 2 to 5: the handcrafted arm suffers more."),
            "{clear:?}"
        );
        let open = all_said([[0.9, 0.9], [0.3, 0.8], [0.3, 0.6]]);
        assert!(open[0].starts_with("Classes, from 2 to 5: undecided."), "{open:?}");
    }
}
