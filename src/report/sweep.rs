//! A sweep: accuracy of every arm at every level of one factor at a time, and what that says of the claims about it.

mod beside;

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::format::{NONE, capitalised, counted, list, percent, points};
use super::plot::{Figure, sweep as plot};
use super::summary::mean;
use super::table::{Cell, Table};
use super::tables;
use super::templates;
use super::{File, PAGE, Thumbnails, picture};
use crate::record::{FactorRecord, LevelRecord, Records, RunRow, Status, SweepRecord};
use crate::stats::intervals::student;

/// Of the intervals.
const LEVEL: f64 = 0.95;

/// Handcrafted and deep arms that the sentences compare.
const COMPARED: [(&str, &str); 3] = [
    ("sift-bovw-svm", "resnet-frozen-svm"),
    ("sift-bovw-svm", "resnet-finetuned-1cycle"),
    ("sift-bovw-svm", "resnet-scratch"),
];

/// One arm along one factor.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name of the arm, with the form of its training.
    pub label: String,
    arm: String,
    pub family: String,
    /// At every level, the accuracy with each seed, in their order; `None` where that was not measured.
    pub levels: Vec<Vec<Option<f64>>>,
}

/// A factor and every arm along it.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel<'a> {
    pub factor: &'a FactorRecord,
    pub curves: Vec<Curve>,
}

/// A handcrafted and a deep arm along one factor: which keeps less of what it has at the first level?
struct Comparison<'a> {
    first: &'a Curve,
    second: &'a Curve,
    /// Share of the accuracy above chance that each keeps, mean over the seeds.
    kept: [f64; 2],
    /// How much more the first keeps than the second.
    more: f64,
    interval: (f64, f64),
    seeds: usize,
}

#[derive(Debug, Serialize)]
struct View {
    title: String,
    answers: Vec<String>,
    /// Stands in the place of answers.
    unanswered: &'static str,
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

impl Curve {
    /// Accuracies at this level, of the seeds that were measured.
    pub fn at(&self, level: usize) -> Vec<f64> {
        self.levels[level].iter().flatten().copied().collect()
    }

    /// With each seed, which share of its accuracy above chance at the first of the levels that count remains on
    /// average over the others; `None` unless every seed has every level and is above chance at the first.
    fn kept(&self, levels: &[LevelRecord], counts: &impl Fn(f64) -> bool) -> Option<Vec<f64>> {
        let of_seed = |seed: usize| {
            let above = |(level, values): (&LevelRecord, &Vec<Option<f64>>)| {
                let chance = 1.0 / level.classes as f64;
                Some((values[seed]? - chance) / (1.0 - chance))
            };
            let levels = levels.iter().zip(&self.levels).filter(|(level, _)| counts(level.value));
            let above: Vec<f64> = levels.map(above).collect::<Option<_>>()?;
            let (first, others) = above.split_first().filter(|(first, _)| **first > 0.0)?;
            Some(mean(others.iter().copied())? / first)
        };
        (0..self.levels.first()?.len()).map(of_seed).collect()
    }
}

impl Panel<'_> {
    /// Every pair of compared arms that was measured at every level that counts.
    fn comparisons(&self, counts: impl Fn(f64) -> bool) -> Vec<Comparison<'_>> {
        let find = |name: &str| self.curves.iter().find(|curve| curve.arm == name);
        let compare = |&(handcrafted, deep): &(&str, &str)| {
            let (first, second) = (find(handcrafted)?, find(deep)?);
            let of = |curve: &Curve| curve.kept(&self.factor.levels, &counts);
            let (a, b) = (of(first)?, of(second)?);
            let more: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
            let average = |values: &[f64]| mean(values.iter().copied());
            Some(Comparison {
                first,
                second,
                kept: [average(&a)?, average(&b)?],
                more: average(&more)?,
                interval: student(&more, LEVEL)?,
                seeds: more.len(),
            })
        };
        COMPARED.iter().filter_map(compare).collect()
    }
}

impl Comparison<'_> {
    /// Of the first against the second, `None` where the interval holds 0.
    fn suffers_less(&self) -> Option<bool> {
        (self.interval.0 > 0.0 || self.interval.1 < 0.0).then_some(self.more > 0.0)
    }

    fn verdict(&self) -> &'static str {
        match self.suffers_less() {
            Some(true) => "the deep arm suffers more",
            Some(false) => "the handcrafted arm suffers more",
            None => "undecided",
        }
    }

    /// The difference with its interval, in points.
    fn difference(&self) -> Cell {
        let (low, high) = self.interval;
        Cell::number(self.more, format!("{} [{}, {}]", points(self.more), points(low), points(high)))
    }
}

/// Every panel of a sweep, arms in the order of the records.
pub fn panels<'a>(records: &Records, sweep: &'a SweepRecord) -> Vec<Panel<'a>> {
    let accuracies = accuracies(records);
    let mut arms: Vec<(&str, &str, &str)> = Vec::new();
    for RunRow { arm, form, family, .. } in &records.runs {
        if !arms.contains(&(arm, form, family)) {
            arms.push((arm, form, family));
        }
    }
    let curve = |factor: &FactorRecord, &(arm, form, family): &(&str, &str, &str)| {
        let of_level = |datasets: &[String]| {
            let seeds = datasets.iter().zip(&sweep.seeds);
            seeds.map(|(dataset, &seed)| accuracies.get(&(dataset.as_str(), arm, form, seed)).copied()).collect()
        };
        let label = if form.is_empty() { arm.to_owned() } else { format!("{arm} · {form}") };
        let levels = factor.levels.iter().map(|level| of_level(&level.datasets)).collect();
        Curve { label, arm: arm.into(), family: family.into(), levels }
    };
    let panel =
        |factor: &'a FactorRecord| Panel { factor, curves: arms.iter().map(|arm| curve(factor, arm)).collect() };
    sweep.factors.iter().map(panel).collect()
}

/// Share of correct predictions of every run, by data set, arm, form and seed.
fn accuracies(records: &Records) -> HashMap<(&str, &str, &str, u64), f64> {
    let mut counts: HashMap<&str, [usize; 2]> = HashMap::new();
    for row in &records.details.predictions {
        let [correct, all] = counts.entry(row.run_id.as_str()).or_default();
        *correct += usize::from(row.truth == row.predicted);
        *all += 1;
    }
    let done = records.runs.iter().filter(|run| run.status == Status::Ok);
    let accuracy = |run: &RunRow| counts.get(run.run_id.as_str()).map(|[correct, all]| *correct as f64 / *all as f64);
    done.filter_map(|run| Some(((run.dataset.as_str(), run.arm.as_str(), run.form.as_str(), run.seed), accuracy(run)?)))
        .collect()
}

/// Every file of a sweep's report; `others` are sweeps of other images, which it is compared with.
pub fn files(records: &Records, sweep: &SweepRecord, others: &[Records]) -> Result<Vec<File>> {
    let panels = panels(records, sweep);
    let view = view(records, sweep, &panels, others);
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
pub fn answers(records: &Records, sweep: &SweepRecord) -> Vec<String> {
    said(&panels(records, sweep))
}

fn said(panels: &[Panel]) -> Vec<String> {
    panels.iter().flat_map(|panel| pretraining(panel).into_iter().chain(sentences(panel))).collect()
}

fn view(records: &Records, sweep: &SweepRecord, panels: &[Panel], others: &[Records]) -> View {
    let mut trained = match sweep.form.as_str() {
        "" => String::new(),
        form => format!(" Networks are trained in the form `{form}`."),
    };
    if let Some(steps) = sweep.image_steps {
        trained.push_str(&format!(" Every training takes {}.", counted(steps, "image step")));
    }
    let (beside, disagreements) = beside::beside(sweep, panels, others);
    let table = |panel: &Panel| FactorTable {
        name: panel.factor.name.clone(),
        title: capitalised(&panel.factor.title),
        table: table(panel),
    };
    View {
        title: format!("{}: one factor at a time", sweep.title),
        answers: disagreements.into_iter().chain(said(panels)).collect(),
        unanswered: "Nothing can be said yet: measure `sift-bovw-svm` and a deep arm at the first and the last level \
                     with two seeds or more.",
        figures: vec![plot::figure(&sweep.title, panels)],
        how: format!(
            "Accuracy in %, mean over {}, each of which draws images, classes and training images anew; smallest to \
             largest in brackets.{trained}",
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
fn sentences(panel: &Panel) -> Vec<String> {
    let [Some(easiest), Some(hardest)] = [panel.factor.levels.first(), panel.factor.levels.last()] else {
        return Vec::new();
    };
    let sentence = |compared: Comparison| {
        let [kept, other] = compared.kept;
        let (low, high) = compared.interval;
        format!(
            "{}, from {} to {}: {}. Of its accuracy above chance `{}` keeps {} % on average over the other levels, \
             `{}` {} %; the difference is {} points (95 % interval {} to {}, {}).",
            capitalised(&panel.factor.title),
            easiest.value,
            hardest.value,
            compared.verdict(),
            compared.first.label,
            percent(kept),
            compared.second.label,
            percent(other),
            points(compared.more),
            points(low),
            points(high),
            counted(compared.seeds, "seed"),
        )
    };
    panel.comparisons(|_| true).into_iter().map(sentence).collect()
}

/// From how many training images on, if at all, a network that starts from random weights is no worse.
fn pretraining(panel: &Panel) -> Option<String> {
    if panel.factor.name != "train" {
        return None;
    }
    let find = |name: &str| panel.curves.iter().find(|curve| curve.arm == name);
    let (pretrained, random) = (find("resnet-finetuned-1cycle")?, find("resnet-scratch")?);
    let (mut said, mut helps) = (Vec::new(), Vec::new());
    for (i, level) in panel.factor.levels.iter().enumerate() {
        let pairs = pretrained.levels[i].iter().zip(&random.levels[i]);
        let gains: Vec<f64> = pairs.map(|(a, b)| Some((*a)? - (*b)?)).collect::<Option<_>>()?;
        let (low, high) = student(&gains, LEVEL)?;
        let gain = points(mean(gains.iter().copied())?);
        said.push(format!("{gain} points with {} images a class ({} to {})", level.value, points(low), points(high)));
        helps.push((low > 0.0, level.value));
    }
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
        "{verdict}: `{}` against `{}` {} (95 % intervals, {}).",
        pretrained.label,
        random.label,
        said.join(", "),
        counted(panel.factor.levels.first()?.datasets.len(), "seed"),
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
            let (low, high) = range(&values);
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

/// Smallest and largest.
pub fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(arm: &str, levels: [[f64; 2]; 3]) -> Curve {
        let levels = levels.map(|seeds| seeds.map(Some).to_vec()).to_vec();
        Curve { label: arm.into(), arm: arm.into(), family: "deep".into(), levels }
    }

    fn factor() -> FactorRecord {
        let level = |value, classes| LevelRecord { value, classes, datasets: vec![String::new(); 2] };
        FactorRecord {
            name: "classes".into(),
            title: "classes".into(),
            levels: vec![level(2.0, 2), level(4.0, 4), level(5.0, 5)],
        }
    }

    /// 0.9 of 2 classes, 0.7 of 4 and 0.36 of 5 are 0.8, 0.6 and 0.2 above chance.
    #[test]
    fn what_is_kept_counts_from_chance() {
        let kept = |levels| curve("x", levels).kept(&factor().levels, &|_| true);
        let halves = kept([[0.9, 1.0], [0.7, 1.0], [0.36, 1.0]]).unwrap();
        assert!((halves[0] - 0.5).abs() < 1e-12 && (halves[1] - 1.0).abs() < 1e-12, "{halves:?}");
        assert_eq!(kept([[0.5, 1.0], [0.7, 1.0], [0.36, 1.0]]), None, "nothing to lose");
        let two = curve("x", [[0.9, 1.0], [0.7, 1.0], [0.36, 1.0]]).kept(&factor().levels, &|value| value < 5.0);
        assert!((two.unwrap()[0] - 0.75).abs() < 1e-12);
    }

    #[test]
    fn sentences_say_who_suffers_and_whether_that_is_known() {
        let factor = factor();
        let said = |frozen| {
            let curves =
                vec![curve("sift-bovw-svm", [[0.9, 0.9], [0.4, 0.41], [0.3, 0.3]]), curve("resnet-frozen-svm", frozen)];
            sentences(&Panel { factor: &factor, curves })
        };
        let clear = said([[0.9, 0.9], [0.9, 0.9], [0.9, 0.9]]);
        assert!(
            clear.len() == 1 && clear[0].starts_with("Classes, from 2 to 5: the handcrafted arm suffers more."),
            "{clear:?}"
        );
        let open = said([[0.9, 0.9], [0.3, 0.8], [0.3, 0.6]]);
        assert!(open[0].starts_with("Classes, from 2 to 5: undecided."), "{open:?}");
    }
}
