//! Further draws of a folder's splits: of each arm the mean over draws with an interval that says what another draw would
//! give, and every two arms compared draw by draw. All else in a report is of the first draw.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::format::{count, counted, percent, points};
use super::summary::{Entry, Summary, key, mean, range};
use super::table::{Cell, Table};
use crate::record::{DrawRecord, Records, RunRow, Status};
use crate::stats::outcome::Rule;
use crate::stats::resampled::{Resampled, corrected};

/// A part of the view.
#[derive(Debug, Serialize)]
pub struct RepeatsView {
    pub title: String,
    pub sentence: Option<String>,
    /// What is typed to measure them again.
    pub option: String,
    pub accuracy: Table,
    pub pairs: Table,
    pub note: String,
}

/// One arm over the draws.
struct Arm<'a> {
    entry: &'a Entry<'a>,
    /// By the seed of the draw.
    draws: BTreeMap<u64, OnDraw>,
}

/// An arm on one draw.
#[derive(Clone, Copy)]
struct OnDraw {
    /// Mean over the arm's seeds.
    accuracy: f64,
    /// Reported images by images of the final fit.
    test_to_train: f64,
}

struct Pair<'a> {
    arms: [&'a Arm<'a>; 2],
    draws: usize,
    difference: Resampled,
    /// Draws on which the first is more accurate, and on which the second is.
    ahead: [usize; 2],
}

/// The records of the first draw, which are all where there is no other.
pub fn first(records: &Records) -> Cow<'_, Records> {
    if records.draws.len() < 2 { Cow::Borrowed(records) } else { Cow::Owned(records.of_first_draw()) }
}

/// What all draws say beside the first: tables, a sentence, and the option that draws them. `None` where there is one.
pub fn repeats(records: &Records, first: &Summary) -> Option<RepeatsView> {
    let arms = arms(records, first);
    if records.draws.len() < 2 || arms.is_empty() {
        return None;
    }
    let rule = first.question.rule;
    let pairs = pairs(&arms);
    Some(RepeatsView {
        title: format!("Over {} draws of the splits", records.draws.len()),
        sentence: sentence(&arms, &pairs, rule),
        option: format!("--repeats {}", records.draws.len()),
        accuracy: accuracy(&arms, rule),
        pairs: pairs_table(&pairs, rule),
        note: note(&records.draws),
    })
}

/// The arms that were measured on at least two draws, in the order of display.
fn arms<'a>(records: &Records, first: &'a Summary) -> Vec<Arm<'a>> {
    let shares = shares(records);
    let of = |entry: &'a Entry<'a>| {
        let draws =
            records.draws.iter().filter_map(|draw| Some((draw.seed, on_draw(records, &shares, entry.row, draw)?)));
        Arm { entry, draws: draws.collect() }
    };
    first.entries.iter().map(of).filter(|arm| arm.draws.len() > 1).collect()
}

/// Accuracy of each run.
fn shares(records: &Records) -> HashMap<&str, f64> {
    let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
    for row in &records.details.predictions {
        let (right, all) = counts.entry(&row.run_id).or_default();
        *right += usize::from(row.truth == row.predicted);
        *all += 1;
    }
    counts.into_iter().map(|(run, (right, all))| (run, right as f64 / all as f64)).collect()
}

fn on_draw(records: &Records, shares: &HashMap<&str, f64>, row: &RunRow, draw: &DrawRecord) -> Option<OnDraw> {
    let runs: Vec<&RunRow> = records
        .runs
        .iter()
        .filter(|run| run.dataset == draw.dataset && run.status == Status::Ok && key(run) == key(row))
        .collect();
    let fitted = |run: &RunRow| if run.refit == "train" { draw.train } else { draw.train + draw.val };
    let accuracy = mean(runs.iter().filter_map(|run| shares.get(run.run_id.as_str()).copied()))?;
    let test_to_train = runs.iter().map(|run| run.n as f64 / fitted(run).max(1) as f64).fold(0.0, f64::max);
    Some(OnDraw { accuracy, test_to_train })
}

impl Arm<'_> {
    fn accuracies(&self) -> impl Iterator<Item = f64> + Clone + '_ {
        self.draws.values().map(|draw| draw.accuracy)
    }

    fn resampled(&self) -> Resampled {
        let accuracies: Vec<f64> = self.accuracies().collect();
        corrected(&accuracies, ratio(self.draws.values()))
    }
}

/// Mean over draws of reported images by training images.
fn ratio<'a>(draws: impl Iterator<Item = &'a OnDraw>) -> f64 {
    mean(draws.map(|draw| draw.test_to_train)).unwrap_or(1.0)
}

/// Every two arms on the same images.
fn pairs<'a>(arms: &'a [Arm<'a>]) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for (i, a) in arms.iter().enumerate() {
        for b in arms[i + 1..].iter().filter(|b| b.entry.row.canvas == a.entry.row.canvas) {
            let both: Vec<(OnDraw, OnDraw)> =
                a.draws.iter().filter_map(|(seed, draw)| Some((*draw, *b.draws.get(seed)?))).collect();
            if both.len() < 2 {
                continue;
            }
            let differences: Vec<f64> = both.iter().map(|(a, b)| a.accuracy - b.accuracy).collect();
            // two arms may be fitted on different images: the fewer correct more
            let ratio = ratio(both.iter().map(|(a, _)| a)).max(ratio(both.iter().map(|(_, b)| b)));
            let difference = corrected(&differences, ratio);
            let ahead = [1.0, -1.0].map(|sign| differences.iter().filter(|&&d| sign * d > 0.0).count());
            pairs.push(Pair { arms: [a, b], draws: both.len(), difference, ahead });
        }
    }
    pairs
}

impl Pair<'_> {
    /// The other arm, where this is one of the two.
    fn beside(&self, arm: &Arm) -> Option<&Arm<'_>> {
        let [a, b] = self.arms;
        let is = |one: &Arm| std::ptr::eq(one.entry, arm.entry);
        if is(a) { Some(b) } else { is(b).then_some(a) }
    }

    /// Is this arm, one of the two, the more accurate one on every draw?
    fn is_always_ahead(&self, arm: &Arm) -> bool {
        let place = usize::from(std::ptr::eq(self.arms[1].entry, arm.entry));
        self.ahead[place] == self.draws
    }
}

fn accuracy(arms: &[Arm], rule: Rule) -> Table {
    let titles = ["arm", "family", "on", "#draws", "#accuracy, %", "#95 % interval", "#min to max, %"];
    let mut table = Table::new(&titles).dispensable(&[0, 5, 4, 3, 0, 1, 2]);
    for arm in arms {
        let resampled = arm.resampled();
        let (min, max) = range(arm.accuracies());
        table.push(
            &arm.entry.row.family,
            vec![
                Cell::code(&*arm.entry.label),
                Cell::text(&*arm.entry.row.family),
                on(arms, arm),
                Cell::number(arm.draws.len() as f64, count(arm.draws.len())),
                Cell::number(resampled.mean, percent(resampled.mean)),
                bounds(&resampled, rule)
                    .map_or_else(Cell::none, |(low, high)| Cell::number(low, between(low, high, percent))),
                Cell::number(max - min, between(min, max, percent)),
            ],
        );
    }
    table
}

/// The frame of its images, where there are several.
fn on(arms: &[Arm], arm: &Arm) -> Cell {
    let several = arms.iter().any(|other| other.entry.row.canvas != arm.entry.row.canvas);
    if several { Cell::text(&*arm.entry.row.canvas) } else { Cell::none() }
}

/// Bounds of an accuracy.
fn bounds(resampled: &Resampled, rule: Rule) -> Option<(f64, f64)> {
    resampled.bounds(rule.level).map(|(low, high)| (low.max(0.0), high.min(1.0)))
}

fn between(low: f64, high: f64, text: fn(f64) -> String) -> String {
    format!("{} to {}", text(low), text(high))
}

fn pairs_table(pairs: &[Pair], rule: Rule) -> Table {
    let titles = ["arm", "against", "#draws", "#difference, points", "#95 % interval", "#ahead on"];
    let mut table = Table::new(&titles).dispensable(&[0, 0, 2, 0, 1, 0]);
    for pair in pairs {
        let [a, b] = pair.arms;
        let interval = pair.difference.bounds(rule.level);
        table.push(
            "",
            vec![
                Cell::code(&*a.entry.label),
                Cell::code(&*b.entry.label),
                Cell::number(pair.draws as f64, count(pair.draws)),
                Cell::number(pair.difference.mean, points(pair.difference.mean)),
                interval.map_or_else(Cell::none, |(low, high)| Cell::number(low, between(low, high, points))),
                Cell::number(pair.ahead[0] as f64, count(pair.ahead[0])),
            ],
        );
    }
    table
}

/// The arm with the highest mean on the first frame, and how many it is ahead of on every draw.
fn sentence(arms: &[Arm], pairs: &[Pair], rule: Rule) -> Option<String> {
    let canvas = &arms.first()?.entry.row.canvas;
    let mean = |arm: &&Arm| arm.resampled().mean;
    let on_it = arms.iter().filter(|arm| arm.entry.row.canvas == *canvas);
    let best = on_it.max_by(|a, b| mean(a).total_cmp(&mean(b)))?;
    let resampled = best.resampled();
    let interval = bounds(&resampled, rule).map_or("all draws give the same".to_owned(), |(low, high)| {
        format!("95 % interval {}", between(low, high, percent))
    });
    let beside: Vec<&Pair> = pairs.iter().filter(|pair| pair.beside(best).is_some()).collect();
    let behind = beside.iter().filter(|pair| pair.is_always_ahead(best)).count();
    let others = match beside.len() {
        0 => String::new(),
        all => format!("; on every draw it is ahead of {behind} of {}", counted(all, "other arm")),
    };
    Some(format!(
        "Over {} of the splits `{}` has the highest mean accuracy, {} % ({interval}){others}. What follows is of the first \
         draw, verdicts too.",
        counted(best.draws.len(), "draw"),
        best.entry.label,
        percent(resampled.mean),
    ))
}

fn note(draws: &[DrawRecord]) -> String {
    let of = |part: fn(&DrawRecord) -> usize| {
        let (low, high) = range(draws.iter().map(|draw| part(draw) as f64));
        if low == high { count(low as usize) } else { format!("{} to {}", count(low as usize), count(high as usize)) }
    };
    format!(
        "Each draw puts other images into train ({}), selection ({}) and report ({}); groups stay whole. The draws share \
         images, so that the variance of their mean is corrected: (1/K + reported/training images) S², Student's t with \
         K − 1 degrees of freedom (Nadeau and Bengio 2003). The interval is for the accuracy that the method reaches with so \
         many images of this kind, as long as its fits differ little with the images that they learn from: draws share most of \
         these, and what they have in common no draw shows. Seeds of one draw are averaged. Without an interval all draws \
         gave the same number. *Ahead on* counts the draws on which the first arm is the more accurate one. Nothing is called \
         better, worse or equivalent over draws: where fits differ with their images, more than 5 in 100 such statements would \
         be false.",
        of(|draw| draw.train),
        of(|draw| draw.val),
        of(|draw| draw.test),
    )
}
