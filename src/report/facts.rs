//! What a text can name of one folder of records: numbers as a report prints them, by arm, comparison and factor.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use crate::record::{ClassCount, Records};
use crate::stats::binomial;
use crate::stats::latency::median;

use super::experiment;
use super::format::{count, p_value, percent, points, relation, significant};
use super::metrics::METRICS;
use super::summary::{Entry, Pair, Summary, mean};
use super::sweep::curves::{Curve, Panel, panels};

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
    /// Points that it gains over the same arm on native images, without sign, and p of that.
    moves: String,
    moves_p: String,
    /// Where chance is known: what it is, and p of the first seed's accuracy under it.
    chance: String,
    chance_p: String,
}

#[derive(Debug, Serialize)]
struct PairFacts {
    only_first: String,
    only_second: String,
    /// Of their difference on the first seed.
    points: String,
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
    /// Who does more: `first`, `second`, or `undecided`.
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
            facts.factors = panels(records, sweep).iter().map(|p| (p.factor.name.clone(), factor(p))).collect();
            return Ok(facts);
        }
        let summary = Summary::of(records)?;
        for column in &summary.columns {
            let entries = column.entries.iter().map(|&i| &summary.entries[i]);
            let arms = entries.filter_map(|entry| Some((entry.label.clone(), arm(&summary, entry)?)));
            facts.arms.insert(column.canvas.clone(), arms.collect());
            let pairs = facts.pairs.entry(column.canvas.clone()).or_default();
            for pair in &column.pairs {
                let [a, b] = [pair.a, pair.b].map(|i| summary.entries[i].label.clone());
                pairs.entry(a.clone()).or_default().insert(b.clone(), pair_facts(pair, false));
                pairs.entry(b).or_default().insert(a, pair_facts(pair, true));
            }
        }
        let compared = records.experiment.as_ref().map_or_else(Vec::new, |e| experiment::compared(&summary, e));
        facts.comparisons = count(compared.len());
        for compared in &compared {
            let of_protocol = facts.compared.entry(compared.protocol.to_owned()).or_default();
            let of_first = of_protocol.entry(compared.comparison.first.clone()).or_default();
            of_first.insert(compared.comparison.second.clone(), compared_facts(compared));
        }
        Ok(facts)
    }
}

fn arm(summary: &Summary, entry: &Entry) -> Option<ArmFacts> {
    let scores = entry.scores.as_ref()?;
    let printed = METRICS.iter().zip(scores.metrics);
    let native = summary.first_column().and_then(|column| summary.same_arm(entry, column));
    let place = summary.entries.iter().position(|other| std::ptr::eq(other, entry))?;
    let pair = native.filter(|&i| i != place).and_then(|i| Pair::of(i, place, &summary.entries, &summary.runs));
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
        moves_p: pair.map_or_else(String::new, |pair| p_value(pair.p)),
        chance: chance.map_or_else(String::new, |(chance, _)| percent(chance)),
        chance_p: chance.map_or_else(String::new, |(chance, confusion)| {
            relation(binomial::test(confusion.correct(), confusion.total(), chance))
        }),
    })
}

fn pair_facts(pair: &Pair, swapped: bool) -> PairFacts {
    let (first, second) = if swapped { (pair.only_b, pair.only_a) } else { (pair.only_a, pair.only_b) };
    PairFacts {
        only_first: count(first),
        only_second: count(second),
        points: points((first as f64 - second as f64) / pair.n as f64),
        p: p_value(pair.p),
        p_holm: p_value(pair.p_holm),
    }
}

fn compared_facts(compared: &experiment::Compared) -> ComparedFacts {
    let difference = &compared.difference;
    let bound = |of: fn((f64, f64)) -> f64| difference.bounds.map_or_else(String::new, |bounds| points(of(bounds)));
    ComparedFacts {
        verdict: compared.verdict().to_owned(),
        points: points(difference.mean),
        size: percent(difference.mean.abs()),
        low: bound(|(low, _)| low),
        high: bound(|(_, high)| high),
        p: p_value(difference.p),
        p_holm: p_value(compared.p_holm),
        detectable: difference.detectable.map_or_else(String::new, percent),
        seeds: compared.seeds,
    }
}

fn factor(panel: &Panel) -> FactorFacts {
    let level = |curve: &Curve, i: usize| {
        let accuracy = mean(curve.at(i).into_iter())?;
        Some((panel.factor.levels[i].value.to_string(), percent(accuracy)))
    };
    let arm = |curve: &Curve| {
        let levels = (0..panel.factor.levels.len()).filter_map(|i| level(curve, i));
        (curve.label.clone(), levels.collect())
    };
    let mut suffers: Named<Named<SuffersFacts>> = BTreeMap::new();
    for compared in panel.comparisons(|_| true) {
        let more = match compared.suffers_less() {
            Some(true) => "second",
            Some(false) => "first",
            None => "undecided",
        };
        let (low, high) = compared.interval;
        let facts = SuffersFacts { more, points: points(compared.more), low: points(low), high: points(high) };
        suffers.entry(compared.first.label.clone()).or_default().insert(compared.second.label.clone(), facts);
    }
    FactorFacts { arms: panel.curves.iter().map(arm).collect(), suffers }
}
