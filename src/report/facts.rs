//! What a text can name of one folder of records: numbers as a report prints them, by arm, comparison and factor.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use crate::record::{ClassCount, Records};
use crate::stats::binomial;
use crate::stats::latency::median;
use crate::stats::outcome::{Judged, Outcome, Rule};

use super::experiment;
use super::format::{count, p_value, percent, points, relation, significant, trimmed};
use super::metrics::METRICS;
use super::repeats;
use super::said;
use super::summary::{Entry, Pair, Question, Summary, mean};
use super::sweep::curves::{Comparison, Curve, LEVEL, Panel, judged, panels};

type Named<T> = BTreeMap<String, T>;

#[derive(Debug, Default, Serialize)]
pub struct Facts {
    classes: String,
    /// Images that train, select and are reported.
    train: String,
    val: String,
    test: String,
    /// By canvas (`native`), then by the arm's name in the tables.
    arms: Named<Named<ArmFacts>>,
    /// By canvas and both arms, in either order.
    pairs: Named<Named<Named<PairFacts>>>,
    /// Of an experiment, by protocol, first and second arm.
    compared: Named<Named<Named<ComparedFacts>>>,
    /// Rows of the table of comparisons.
    comparisons: String,
    /// Of a sweep, by name.
    factors: Named<FactorFacts>,
}

#[derive(Debug, Serialize)]
struct ArmFacts {
    /// The metrics by their names.
    #[serde(flatten)]
    metrics: Named<String>,
    /// The first metric's interval.
    low: String,
    high: String,
    /// Milliseconds an image.
    ms: String,
    epochs: String,
    input: String,
    /// Points that it gains over the same arm on native images, without sign, adjusted p of that, and what it is there.
    moves: String,
    moves_p: String,
    moved: String,
    /// Where chance is known: what it is, and p of the first seed's accuracy under it.
    chance: String,
    chance_p: String,
}

#[derive(Debug, Serialize)]
struct PairFacts {
    only_first: String,
    only_second: String,
    /// What the first is, and the difference over all seeds.
    verdict: String,
    points: String,
    low: String,
    high: String,
    p: String,
    p_holm: String,
}

#[derive(Debug, Serialize)]
struct ComparedFacts {
    verdict: String,
    points: String,
    /// Without a sign.
    size: String,
    low: String,
    high: String,
    p: String,
    p_holm: String,
    /// With 80 % power, in points.
    detectable: String,
    seeds: usize,
}

#[derive(Debug, Serialize)]
struct FactorFacts {
    /// By arm and level.
    arms: Named<Named<String>>,
    /// By handcrafted and deep arm.
    suffers: Named<Named<SuffersFacts>>,
}

#[derive(Debug, Serialize)]
struct SuffersFacts {
    /// Who does more: `first`, `second`, `neither` by more than the margin, or `undecided`.
    more: &'static str,
    points: String,
    low: String,
    high: String,
}

impl Facts {
    /// # Errors
    /// Records that contradict each other.
    pub fn of(records: &Records) -> Result<Facts> {
        let counts = &records.dataset.counts;
        let images = |of: fn(&ClassCount) -> usize| count(counts.iter().map(of).sum());
        let mut facts = Facts {
            classes: count(counts.len()),
            train: images(|class| class.train),
            val: images(|class| class.val),
            test: images(|class| class.test),
            ..Facts::default()
        };
        if let Some(sweep) = &records.sweep {
            let panels = panels(records, sweep);
            let all: Vec<&Panel> = panels.iter().collect();
            let compared = judged(&all, |_, _| true, Rule::default());
            let factors =
                panels.iter().zip(&compared).map(|(p, compared)| (p.factor.name.clone(), factor(p, compared)));
            facts.factors = factors.collect();
            return Ok(facts);
        }
        let first = repeats::first(records);
        let summary = Summary::of(&first, &Question::default())?;
        for column in &summary.columns {
            let entries = column.entries.iter().map(|&i| &summary.entries[i]);
            let arms = entries.filter_map(|entry| Some((entry.label.clone(), arm(&summary, entry)?)));
            facts.arms.insert(column.canvas.clone(), arms.collect());
            let pairs = facts.pairs.entry(column.canvas.clone()).or_default();
            for pair in &column.pairs {
                let [a, b] = [pair.a, pair.b].map(|i| summary.entries[i].label.clone());
                pairs.entry(a.clone()).or_default().insert(b.clone(), pair_facts(pair, &summary, false));
                pairs.entry(b).or_default().insert(a, pair_facts(pair, &summary, true));
            }
        }
        let compared = records.experiment.as_ref().map_or_else(Vec::new, |e| experiment::compared(&summary, e));
        facts.comparisons = count(compared.len());
        for compared in &compared {
            let of_protocol = facts.compared.entry(compared.protocol.to_owned()).or_default();
            let of_first = of_protocol.entry(compared.comparison.first.clone()).or_default();
            of_first.insert(compared.comparison.second.clone(), compared_facts(compared, summary.question.rule.level));
        }
        Ok(facts)
    }
}

fn arm(summary: &Summary, entry: &Entry) -> Option<ArmFacts> {
    let scores = entry.scores.as_ref()?;
    let printed = METRICS.iter().zip(scores.metrics);
    let native = summary.first_column().and_then(|column| summary.same_arm(entry, column));
    let place = summary.entries.iter().position(|other| std::ptr::eq(other, entry))?;
    let moved = summary.moved(place).map(|pair| &pair.judged);
    let before = native.and_then(|i| summary.entries[i].accuracy());
    let run = summary.shown_run(entry)?;
    let chance = run.chance().zip(run.confusion.as_ref());
    Some(ArmFacts {
        metrics: printed.filter_map(|(metric, value)| Some((metric.name.to_owned(), (metric.print)(value?)))).collect(),
        low: percent(scores.interval.low),
        high: percent(scores.interval.high),
        ms: median(&entry.times.single).map_or_else(String::new, |ms| significant(ms, 2)),
        epochs: entry.row.epochs.map_or_else(String::new, |epochs| epochs.to_string()),
        input: entry.row.input_px.map_or_else(String::new, |px| px.to_string()),
        moves: before.map_or_else(String::new, |before| percent((scores.accuracy.mean - before).abs())),
        moves_p: moved.map_or_else(String::new, |judged| p_value(judged.p_adjusted)),
        moved: moved.map_or_else(String::new, |judged| said::outcome(judged.outcome, summary.question.rule)),
        chance: chance.map_or_else(String::new, |(chance, _)| percent(chance)),
        chance_p: chance.map_or_else(String::new, |(chance, confusion)| {
            relation(binomial::test(confusion.correct(), confusion.total(), chance))
        }),
    })
}

fn pair_facts(pair: &Pair, summary: &Summary, swapped: bool) -> PairFacts {
    let (rule, judged) = (summary.question.rule, &pair.judged);
    let (mut alone, mut outcome, mut mean) = (pair.alone(), judged.outcome, judged.difference.mean());
    let (mut low, mut high) = judged.difference.bounds(rule.level);
    if swapped {
        alone.reverse();
        (outcome, mean, low, high) = (outcome.turned(), -mean, -high, -low);
    }
    let [only_first, only_second] = alone.map(|images| trimmed(images, 1));
    PairFacts {
        only_first,
        only_second,
        verdict: said::outcome(outcome, rule),
        points: points(mean),
        low: points(low),
        high: points(high),
        p: p_value(judged.p),
        p_holm: p_value(judged.p_adjusted),
    }
}

fn compared_facts(compared: &experiment::Compared, level: f64) -> ComparedFacts {
    let Judged { difference, p, p_adjusted, .. } = &compared.judged;
    let (low, high) = difference.bounds(level);
    ComparedFacts {
        verdict: compared.verdict(),
        points: points(difference.mean()),
        size: percent(difference.mean().abs()),
        low: points(low),
        high: points(high),
        p: p_value(*p),
        p_holm: p_value(*p_adjusted),
        detectable: difference.detectable(level).map_or_else(String::new, percent),
        seeds: difference.seeds,
    }
}

fn factor(panel: &Panel, compared: &[Comparison]) -> FactorFacts {
    let level = |curve: &Curve, i: usize| {
        let accuracy = mean(curve.at(i).into_iter())?;
        Some((panel.factor.levels[i].value.to_string(), percent(accuracy)))
    };
    let arm = |curve: &Curve| {
        let levels = (0..panel.factor.levels.len()).filter_map(|i| level(curve, i));
        (curve.label.clone(), levels.collect())
    };
    let mut suffers: Named<Named<SuffersFacts>> = BTreeMap::new();
    for compared in compared {
        let more = match compared.outcome {
            Outcome::Better => "second",
            Outcome::Worse => "first",
            Outcome::Equivalent => "neither",
            Outcome::Undecided => "undecided",
        };
        let (low, high) = compared.more.bounds(LEVEL);
        let facts = SuffersFacts { more, points: points(compared.more.mean), low: points(low), high: points(high) };
        suffers.entry(compared.first.label.clone()).or_default().insert(compared.second.label.clone(), facts);
    }
    FactorFacts { arms: panel.curves.iter().map(arm).collect(), suffers }
}
