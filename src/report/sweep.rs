//! A sweep: accuracy of every arm at every level of one factor at a time, and what that says of the claims about it.

use std::collections::HashMap;

use anyhow::Result;
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::File;
use super::format::{NONE, counted, list, percent, points};
use super::plot::sweep as plot;
use super::summary::mean;
use super::table::{Cell, Table};
use super::templates;
use super::view::capitalised;
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

#[derive(Debug, Serialize)]
struct View {
    title: String,
    answers: Vec<String>,
    how: String,
    tables: Vec<(String, Table)>,
}

impl Curve {
    /// Accuracies at this level, of the seeds that were measured.
    pub fn at(&self, level: usize) -> Vec<f64> {
        self.levels[level].iter().flatten().copied().collect()
    }

    /// With each seed, which share of its accuracy above chance at the first level remains on average over the others;
    /// `None` unless every seed has every level and is above chance at the first.
    fn kept(&self, factor: &FactorRecord) -> Option<Vec<f64>> {
        let of_seed = |seed: usize| {
            let above = |(level, values): (&LevelRecord, &Vec<Option<f64>>)| {
                let chance = 1.0 / level.classes as f64;
                Some((values[seed]? - chance) / (1.0 - chance))
            };
            let above: Vec<f64> = factor.levels.iter().zip(&self.levels).map(above).collect::<Option<_>>()?;
            let (first, others) = above.split_first().filter(|(first, _)| **first > 0.0)?;
            Some(mean(others.iter().copied())? / first)
        };
        (0..self.levels.first()?.len()).map(of_seed).collect()
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
    for row in &records.predictions {
        let [correct, all] = counts.entry(row.run_id.as_str()).or_default();
        *correct += usize::from(row.truth == row.predicted);
        *all += 1;
    }
    let done = records.runs.iter().filter(|run| run.status == Status::Ok);
    let accuracy = |run: &RunRow| counts.get(run.run_id.as_str()).map(|[correct, all]| *correct as f64 / *all as f64);
    done.filter_map(|run| Some(((run.dataset.as_str(), run.arm.as_str(), run.form.as_str(), run.seed), accuracy(run)?)))
        .collect()
}

/// Every file of a sweep's report.
pub fn files(records: &Records, sweep: &SweepRecord) -> Result<Vec<File>> {
    let panels = panels(records, sweep);
    let view = view(sweep, &panels);
    let page = templates::render("sweep.md", context! { view => Serde(&view) })?;
    let picture = templates::svg(&plot::figure(&sweep.title, &panels))?;
    Ok(vec![
        File { path: "report.md".into(), bytes: page.into_bytes() },
        File { path: "plots/sweep.svg".into(), bytes: picture.into_bytes() },
    ])
}

/// What the measurements say, for a terminal.
pub fn answers(records: &Records, sweep: &SweepRecord) -> Vec<String> {
    said(&panels(records, sweep))
}

fn said(panels: &[Panel]) -> Vec<String> {
    panels.iter().flat_map(|panel| pretraining(panel).into_iter().chain(sentences(panel))).collect()
}

fn view(sweep: &SweepRecord, panels: &[Panel]) -> View {
    let mut trained = match sweep.form.as_str() {
        "" => String::new(),
        form => format!(" Networks are trained in the form `{form}`."),
    };
    if let Some(steps) = sweep.image_steps {
        trained.push_str(&format!(" Every training takes {}.", counted(steps, "image step")));
    }
    View {
        title: format!("{}: one factor at a time", sweep.title),
        answers: said(panels),
        how: format!(
            "Accuracy in %, mean over {}, each of which draws images, classes and training images anew; smallest to \
             largest in brackets.{trained}",
            counted(sweep.seeds.len(), "seed")
        ),
        tables: panels.iter().map(|panel| (capitalised(&panel.factor.title), table(panel))).collect(),
    }
}

/// One for every two compared arms: which keeps less of what it has at the first level?
fn sentences(panel: &Panel) -> Vec<String> {
    let find = |name: &str| panel.curves.iter().find(|curve| curve.arm == name);
    let sentence = |&(handcrafted, deep): &(&str, &str)| {
        let (first, second) = (find(handcrafted)?, find(deep)?);
        let (kept, other) = (first.kept(panel.factor)?, second.kept(panel.factor)?);
        let more: Vec<f64> = kept.iter().zip(&other).map(|(kept, other)| kept - other).collect();
        let (low, high) = student(&more, LEVEL)?;
        let average = |values: &[f64]| mean(values.iter().copied());
        let verdict = match (low > 0.0, high < 0.0) {
            (true, _) => "the deep arm suffers more",
            (_, true) => "the handcrafted arm suffers more",
            _ => "undecided",
        };
        let levels = &panel.factor.levels;
        Some(format!(
            "{}, from {} to {}: {verdict}. Of its accuracy above chance `{}` keeps {} % on average over the other levels, \
             `{}` {} %; the difference is {} points (95 % interval {} to {}, {}).",
            capitalised(&panel.factor.title),
            levels.first()?.value,
            levels.last()?.value,
            first.label,
            percent(average(&kept)?),
            second.label,
            percent(average(&other)?),
            points(average(&more)?),
            points(low),
            points(high),
            counted(more.len(), "seed"),
        ))
    };
    COMPARED.iter().filter_map(sentence).collect()
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
        let kept = curve("x", [[0.9, 1.0], [0.7, 1.0], [0.36, 1.0]]).kept(&factor()).unwrap();
        assert!((kept[0] - 0.5).abs() < 1e-12 && (kept[1] - 1.0).abs() < 1e-12, "{kept:?}");
        assert_eq!(curve("x", [[0.5, 1.0], [0.7, 1.0], [0.36, 1.0]]).kept(&factor()), None, "nothing to lose");
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
