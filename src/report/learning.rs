//! Would more images help? Learning curves of a few arms: what they reach with fewer training images, what a power law
//! expects of more, and how sure that is.

pub mod arms;

use serde::Serialize;

use super::format::{count, percent, points, significant, trimmed};
use super::plot::{Figure, learning as plot};
use super::said;
use super::summary::{Summary, strongest};
use super::table::{Cell, Table};
use super::verdict::taken;
use crate::record::Family;
use crate::stats::learning::{FARTHEST, Forecast, Needed};
use arms::{Learnt, TIMES, learnt, pairs};

/// Arms whose curves are worth measuring, unless their families and the recommended one make more.
const ARMS: usize = 3;
/// Where a curve levels off is shown if its interval is not wider.
const KNOWN: f64 = 0.1;

/// A part of the view.
#[derive(Debug, Serialize)]
pub struct LearningView {
    pub sentences: Vec<String>,
    pub table: Table,
    pub note: String,
}

/// The runs whose curves are worth measuring, one an arm: of the first column the arm that is best on the selection
/// images, the best of each family, the recommended one, and the next best.
pub fn worthy<'a>(summary: &Summary<'a>) -> Vec<&'a str> {
    let possible = |&index: &usize| {
        let entry = &summary.entries[index];
        let trained = entry.row.epochs.is_some() || entry.chosen_by_reported_images();
        entry.scores.is_some() && !entry.is_floor() && !trained
    };
    let column = summary.first_column().map_or(&[][..], |column| &column.entries);
    let mut left: Vec<usize> = column.iter().copied().filter(possible).collect();
    let best = |of: &[usize]| strongest(&summary.entries, of.iter().copied());
    let of_family = |family: Family| -> Vec<usize> {
        left.iter().copied().filter(|&index| summary.entries[index].is_of(family)).collect()
    };
    let families = [Family::Handcrafted, Family::Deep].map(|family| best(&of_family(family)));
    let taken = taken(summary).filter(|index| left.contains(index));
    let mut worthy: Vec<usize> = Vec::new();
    for index in [best(&left)].into_iter().chain(families).chain([taken]).flatten() {
        if !worthy.contains(&index) {
            worthy.push(index);
        }
    }
    left.retain(|index| !worthy.contains(index));
    while let Some(next) = best(&left).filter(|_| worthy.len() < ARMS) {
        worthy.push(next);
        left.retain(|index| *index != next);
    }
    let run = |index: usize| Some(summary.shown_run(&summary.entries[index])?.row.run_id.as_str());
    worthy.into_iter().filter_map(run).collect()
}

/// What recorded curves say: a sentence for the verdict, the section, its picture. `None` where there is none.
pub fn learning(summary: &Summary) -> Option<(String, LearningView, Figure)> {
    let arms = learnt(summary);
    let taken = taken(summary);
    let first = arms.iter().find(|arm| Some(arm.index) == taken).or(arms.first())?;
    let level = summary.question.rule.level;
    let sentences = arms.iter().filter_map(|arm| target(summary, arm)).chain(meetings(&arms, level));
    let view = LearningView { sentences: sentences.collect(), table: table(&arms, level), note: note(summary, &arms) };
    let opening = [Some(would_help(summary, first)), target(summary, first)];
    let figure = plot::figure(&summary.records.dataset.title, summary.question.aim.title(), &arms, level);
    Some((opening.into_iter().flatten().collect::<Vec<_>>().join(" "), view, figure))
}

/// What twice and four times as many images would give the arm.
fn would_help(summary: &Summary, arm: &Learnt) -> String {
    let rule = summary.question.rule;
    let (twice, most) = (TIMES[0] * arm.curve.largest(), TIMES[1] * arm.curve.largest());
    let gain = arm.curve.gain(twice, rule.level);
    let help = match gain {
        Forecast { low, .. } if low >= rule.margin => "would help".to_owned(),
        Forecast { high, .. } if high < rule.margin => {
            format!("would hardly help: twice as many are expected to bring less than {}", said::margin(rule))
        }
        Forecast { low, high, .. } => {
            format!("may help: twice as many are expected to bring {} to {} points", points(low), points(high))
        }
    };
    format!(
        "More training images like these {help}. `{}` reaches {} % with {}; by its learning curve {} would give {}, and {} {}.",
        arm.entry.label,
        percent(arm.curve.points.last().map_or(0.0, |point| point.accuracy)),
        count(arm.curve.largest() as usize),
        count(twice as usize),
        said_of(arm.curve.at(twice, rule.level), rule.level),
        count(most as usize),
        said_of(arm.curve.at(most, rule.level), rule.level),
    )
}

/// `98.1 % (95 % interval 97.2 to 98.9)`
fn said_of(forecast: Forecast, level: f64) -> String {
    format!(
        "{} % ({} % interval {} to {})",
        percent(forecast.accuracy),
        trimmed(100.0 * level, 1),
        percent(forecast.low),
        percent(forecast.high)
    )
}

/// How many images the target takes, where one was asked for.
fn target(summary: &Summary, arm: &Learnt) -> Option<String> {
    let (target, level) = (summary.question.target?, summary.question.rule.level);
    let (curve, label) = (&arm.curve, &arm.entry.label);
    let wanted = format!("{} %", trimmed(100.0 * target, 2));
    let needed = curve.needed(target, level);
    let times = trimmed(FARTHEST, 0);
    Some(match needed {
        _ if curve.at(curve.largest(), level).low >= target => {
            format!("`{label}` is shown to reach {wanted} with the training images that there are.")
        }
        Needed { images: Some(images), .. } => format!(
            "For {wanted} `{label}` takes about {} training images ({}).",
            rounded(images),
            between(&needed, curve.largest())
        ),
        Needed { from: None, .. } if curve.ceiling(level).high < target => format!(
            "{wanted} is not within reach of `{label}` by more such images: its curve levels off at {}.",
            said_of(curve.ceiling(level), level)
        ),
        Needed { from: None, .. } => {
            format!("{wanted} is not within reach of `{label}` with {times} times as many training images.")
        }
        Needed { from: Some(from), .. } => format!(
            "Whether `{label}` reaches {wanted} with more images can't be said: its curve does not get there with {times} times \
             as many, and {} might be enough.",
            rounded(from)
        ),
    })
}

/// `95 % interval 2,100 to more than 16,400`
fn between(needed: &Needed, largest: f64) -> String {
    let from = needed.from.map_or_else(|| "unknown".to_owned(), rounded);
    let to = needed.to.map_or_else(|| format!("more than {}", rounded(FARTHEST * largest)), rounded);
    format!("95 % interval {from} to {to}")
}

/// Two digits of a number of images: more it does not carry.
fn rounded(images: f64) -> String {
    let digits: f64 = significant(images, 2).parse().unwrap_or(images);
    let step = 10f64.powf((digits.max(1.0).log10().floor() - 1.0).max(0.0));
    count(((images / step).round() * step) as usize)
}

/// Where a cheaper arm with more images meets a dearer one with those that there are.
fn meetings(arms: &[Learnt], level: f64) -> Vec<String> {
    let mut said = Vec::new();
    for (cheaper, dearer) in pairs(arms) {
        let (label, other) = (&cheaper.entry.label, &dearer.entry.label);
        let times =
            |arm: &Learnt| arm.ms.map_or_else(String::new, |ms| format!(" ({} ms an image)", significant(ms, 2)));
        let needed = cheaper.curve.meets(&dearer.curve, level);
        let met = match needed {
            Needed { images: Some(images), .. } => format!(
                "would with about {} training images ({}) be where",
                rounded(images),
                between(&needed, cheaper.curve.largest())
            ),
            Needed { from: Some(from), .. } => format!(
                "is not expected to get with {} times as many training images (though {} might be enough) to where",
                trimmed(FARTHEST, 0),
                rounded(from)
            ),
            Needed { from: None, .. } => {
                format!("does not get with {} times as many training images to where", trimmed(FARTHEST, 0))
            }
        };
        said.push(format!(
            "`{label}`{} {met} `{other}`{} is with {}.",
            times(cheaper),
            times(dearer),
            count(dearer.curve.largest() as usize)
        ));
    }
    said
}

fn table(arms: &[Learnt], level: f64) -> Table {
    let titles = [
        "arm",
        "family",
        "#training images",
        "#accuracy, %",
        "#by those below, %",
        "#twice as many, %",
        "#four times, %",
        "#levels off at, %",
        "#exponent",
    ];
    let mut table = Table::new(&titles).dispensable(&[0, 6, 2, 0, 3, 0, 1, 4, 5]);
    for arm in arms {
        let curve = &arm.curve;
        let forecast = |times: f64| {
            let Forecast { accuracy, low, high } = curve.at(times * curve.largest(), level);
            Cell::number(accuracy, format!("{} [{}, {}]", percent(accuracy), percent(low), percent(high)))
        };
        let measured = curve.points.last().map_or(0.0, |point| point.accuracy);
        table.push(
            &arm.entry.row.family,
            vec![
                Cell::code(&*arm.entry.label),
                Cell::text(&*arm.entry.row.family),
                Cell::number(curve.largest(), count(curve.largest() as usize)),
                Cell::number(measured, percent(measured)),
                arm.forecast.map_or_else(Cell::none, |forecast| Cell::number(forecast, percent(forecast))),
                forecast(TIMES[0]),
                forecast(TIMES[1]),
                if known(curve.ceiling(level)) { forecast(f64::INFINITY) } else { Cell::none() },
                Cell::number(curve.law.exponent, significant(curve.law.exponent, 2)),
            ],
        );
    }
    table
}

/// Is it worth saying?
fn known(ceiling: Forecast) -> bool {
    ceiling.high - ceiling.low <= KNOWN
}

fn note(summary: &Summary, arms: &[Learnt]) -> String {
    let sizes = arms.first().map_or(&[][..], |arm| &arm.curve.points);
    let sizes: Vec<String> = sizes.iter().map(|point| count(point.images)).collect();
    format!(
        "Fits on nested subsets of the training images ({}), each class with its share, several draws of each, judged on the \
         reported images; the settings and the features (vocabularies, components) are those of all images. Through \
         the mean errors goes error = floor + b n^−exponent; the intervals hold reported images, draws and law. *By those below*: \
         what the sizes below the largest expect of it, beside what was measured. Forecasts are of {}, in brackets their 95 % \
         intervals, and for images of the same kind, from the same sources.",
        sizes.join(", "),
        summary.question.aim.title(),
    )
}
