//! What a sweep has measured: accuracies along each factor, and what two arms keep of theirs.

use std::collections::HashMap;

use crate::record::{FactorRecord, LevelRecord, Records, RunRow, Status, SweepComparison, SweepQuestion, SweepRecord};
use crate::report::format::points;
use crate::report::said;
use crate::report::summary::mean;
use crate::report::table::Cell;
use crate::stats::intervals::{Level, Student, clopper_pearson};
use crate::stats::outcome::{Outcome, Rule, Tests, outcomes};

/// Of the intervals.
pub const LEVEL: f64 = 0.95;

/// Of the images of one seed, how many a run got right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub correct: u64,
    pub images: u64,
    /// Images in which no keypoint was found.
    pub blank: u64,
}

/// One arm along one factor.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Name of the arm, with the form of its training.
    pub label: String,
    pub arm: String,
    pub family: String,
    /// At every level, what was right with each seed, in their order; `None` where that was not measured.
    pub levels: Vec<Vec<Option<Counts>>>,
}

/// A factor and every arm along it.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel<'a> {
    pub factor: &'a FactorRecord,
    pub curves: Vec<Curve>,
    pub pairs: &'a [SweepComparison],
}

/// A handcrafted and a deep arm along one factor: which keeps less of what it has at the first level? Undecided until it is
/// judged with the others.
pub struct Comparison<'a> {
    pub first: &'a Curve,
    pub second: &'a Curve,
    /// Share of the accuracy above chance that each keeps, mean over the seeds.
    pub kept: [f64; 2],
    /// How much more the first keeps than the second, over the seeds.
    pub more: Student,
    pub seeds: usize,
    pub outcome: Outcome,
    /// By Holm, of no difference.
    pub p_adjusted: f64,
}

impl Counts {
    pub fn accuracy(self) -> f64 {
        self.correct as f64 / self.images as f64
    }

    /// Above this chance beyond what the choice of images leaves open?
    fn clearly_above(self, chance: f64) -> bool {
        clopper_pearson(self.correct, self.images, Level::PERCENT_99).low > chance
    }
}

impl Curve {
    /// Accuracies at this level, of the seeds that were measured.
    pub fn at(&self, level: usize) -> Vec<f64> {
        self.levels[level].iter().flatten().map(|counts| counts.accuracy()).collect()
    }

    /// With each seed, which share of its accuracy above chance at the first of the levels that count remains on
    /// average over the others; `None` unless every seed has every level and is clearly above chance at the first: who has
    /// hardly anything has hardly anything to lose.
    fn kept(&self, levels: &[LevelRecord], counts: &impl Fn(f64) -> bool) -> Option<Vec<f64>> {
        let of_seed = |seed: usize| {
            let above = |(level, values): (&LevelRecord, &Vec<Option<Counts>>)| {
                Some((values[seed]?.accuracy() - level.chance()) / (1.0 - level.chance()))
            };
            let mut levels = levels.iter().zip(&self.levels).filter(|(level, _)| counts(level.value));
            let (level, values) = levels.next()?;
            let first =
                above((level, values)).filter(|_| values[seed].is_some_and(|c| c.clearly_above(level.chance())))?;
            let others: Vec<f64> = levels.map(above).collect::<Option<_>>()?;
            Some(mean(others.into_iter())? / first)
        };
        (0..self.levels.first()?.len()).map(of_seed).collect()
    }
}

impl Panel<'_> {
    /// Every two arms of which this is asked and that were measured.
    pub fn asked(&self, question: SweepQuestion) -> impl Iterator<Item = (&Curve, &Curve)> {
        let find = |name: &str| self.curves.iter().find(|curve| curve.arm == name);
        let asked = self.pairs.iter().filter(move |pair| pair.question == question);
        asked.filter_map(move |pair| Some((find(&pair.first)?, find(&pair.second)?)))
    }

    /// What compared arms keep, of those that were measured at every level that counts.
    fn comparisons(&self, counts: impl Fn(f64) -> bool) -> Vec<Comparison<'_>> {
        let of = |curve: &Curve| curve.kept(&self.factor.levels, &counts);
        let compare = |(first, second)| {
            let (a, b) = (of(first)?, of(second)?);
            let more: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
            let average = |values: &[f64]| mean(values.iter().copied());
            Some(Comparison {
                first,
                second,
                kept: [average(&a)?, average(&b)?],
                more: Student::of(&more)?,
                seeds: more.len(),
                outcome: Outcome::Undecided,
                p_adjusted: 1.0,
            })
        };
        self.asked(SweepQuestion::Suffers).filter_map(compare).collect()
    }
}

impl Comparison<'_> {
    pub fn verdict(&self, rule: Rule) -> String {
        match self.outcome {
            Outcome::Better => "the deep arm suffers more".to_owned(),
            Outcome::Worse => "the handcrafted arm suffers more".to_owned(),
            outcome => said::outcome(outcome, rule),
        }
    }

    /// The difference with its interval, in points.
    pub fn difference(&self) -> Cell {
        let (low, high) = self.more.bounds(LEVEL);
        Cell::number(self.more.mean, format!("{} [{}, {}]", points(self.more.mean), points(low), points(high)))
    }
}

/// What compared arms keep along every factor, judged together: one list a panel.
pub fn judged<'p>(panels: &'p [&Panel], counts: impl Fn(&Panel, f64) -> bool, rule: Rule) -> Vec<Vec<Comparison<'p>>> {
    let mut all: Vec<Vec<Comparison>> =
        panels.iter().map(|panel| panel.comparisons(|value| counts(panel, value))).collect();
    let tests = |compared: &Comparison| Tests {
        mean: compared.more.mean,
        none: compared.more.p_none(),
        apart: compared.more.p_apart(rule.margin),
    };
    let found = outcomes(&all.iter().flatten().map(tests).collect::<Vec<_>>(), rule);
    for (compared, (outcome, p_adjusted)) in all.iter_mut().flatten().zip(found) {
        (compared.outcome, compared.p_adjusted) = (outcome, p_adjusted);
    }
    all
}

/// Every panel of a sweep, arms in the order of the records.
pub fn panels<'a>(records: &Records, sweep: &'a SweepRecord) -> Vec<Panel<'a>> {
    let counts = counts(records);
    let mut arms: Vec<(&str, &str, &str)> = Vec::new();
    for RunRow { arm, form, family, .. } in &records.runs {
        if !arms.contains(&(arm, form, family)) {
            arms.push((arm, form, family));
        }
    }
    let curve = |factor: &FactorRecord, &(arm, form, family): &(&str, &str, &str)| {
        let of_level = |datasets: &[String]| {
            let seeds = datasets.iter().zip(&sweep.seeds);
            seeds.map(|(dataset, &seed)| counts.get(&(dataset.as_str(), arm, form, seed)).copied()).collect()
        };
        let label = if form.is_empty() { arm.to_owned() } else { format!("{arm} · {form}") };
        let levels = factor.levels.iter().map(|level| of_level(&level.datasets)).collect();
        Curve { label, arm: arm.into(), family: family.into(), levels }
    };
    let panel = |factor: &'a FactorRecord| Panel {
        factor,
        curves: arms.iter().map(|arm| curve(factor, arm)).collect(),
        pairs: &sweep.comparisons,
    };
    sweep.factors.iter().map(panel).collect()
}

/// Predictions of every run, by data set, arm, form and seed.
fn counts(records: &Records) -> HashMap<(&str, &str, &str, u64), Counts> {
    let mut counts: HashMap<&str, [u64; 2]> = HashMap::new();
    for row in &records.details.predictions {
        let [correct, images] = counts.entry(row.run_id.as_str()).or_default();
        *correct += u64::from(row.truth == row.predicted);
        *images += 1;
    }
    let of_run = |run: &RunRow| {
        let &[correct, images] = counts.get(run.run_id.as_str())?;
        Some(Counts { correct, images, blank: run.without_keypoints.unwrap_or(0) as u64 })
    };
    let done = records.runs.iter().filter(|run| run.status == Status::Ok);
    done.filter_map(|run| Some(((&*run.dataset, &*run.arm, &*run.form, run.seed), of_run(run)?))).collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn curve(arm: &str, levels: [[f64; 2]; 3]) -> Curve {
        let counts = |share: f64| Counts { correct: (share * 1000.0).round() as u64, images: 1000, blank: 0 };
        let levels = levels.map(|seeds| seeds.map(|share| Some(counts(share))).to_vec()).to_vec();
        Curve { label: arm.into(), arm: arm.into(), family: "deep".into(), levels }
    }

    pub fn suffers(first: &str, second: &str) -> SweepComparison {
        SweepComparison { first: first.into(), second: second.into(), question: SweepQuestion::Suffers }
    }

    pub fn factor() -> FactorRecord {
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
        for hardly_any in [0.5, 0.53] {
            assert_eq!(kept([[hardly_any, 1.0], [0.7, 1.0], [0.36, 1.0]]), None, "nothing to lose");
        }
        let two = curve("x", [[0.9, 1.0], [0.7, 1.0], [0.36, 1.0]]).kept(&factor().levels, &|value| value < 5.0);
        assert!((two.unwrap()[0] - 0.75).abs() < 1e-12);
    }
}
