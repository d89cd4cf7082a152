//! What a range test found, as lines for the terminal and as what the picture needs.

use crate::finetune::range_test::Loss;
use crate::report::range_test::{RangeTest, Sample, Suggested, Trained};

use super::grid::{AtRate, Grid, verdict};
use super::{Findings, Found, RULES, median};

/// One line a rule: the middle of the seeds, and their range; then the seeds, and the grid where there is one.
pub fn findings(findings: &Findings, frame: &str) {
    let Findings { dataset, arm, tests, grid, .. } = findings;
    let loss = loss_name(findings.loss);
    println!("{dataset}, {arm}, {frame}: learning rates suggested over {} seeds, by {loss}", tests.len());
    for (name, rule) in RULES {
        let rates = findings.rates(rule);
        let verdict = verdict(grid.as_ref(), &rates);
        match (median(rates.iter().copied()), &rates[..]) {
            (Some(middle), [low, .., high]) => {
                println!("  {name:14} {middle:.2e}   from {low:.2e} to {high:.2e}{verdict}");
            }
            (Some(only), _) => println!("  {name:14} {only:.2e}{verdict}"),
            (None, _) => println!("  {name:14} none"),
        }
    }
    tests.iter().for_each(seed);
    if let Some(grid) = grid {
        trainings(grid);
        println!("  time: range test {:.0} s, grid {:.0} s", findings.seconds(), grid.seconds);
    }
}

fn loss_name(loss: Loss) -> &'static str {
    match loss {
        Loss::Train => "training loss",
        Loss::Val => "loss on val",
    }
}

fn seed(found: &Found) {
    let (points, last) = (found.curve.points(), found.curve.points().last());
    let reached = last.map_or(0.0, |point| point.learning_rate);
    let flags: Vec<&str> = found.flags.iter().map(|flag| flag.name()).collect();
    let flags = if flags.is_empty() { String::new() } else { format!("; {}", flags.join(", ")) };
    println!("  seed {}: {} steps, up to {reached:.2e}, {:.1} s{flags}", found.seed, points.len(), found.seconds);
}

/// One line a rate of the grid.
fn trainings(grid: &Grid) {
    let by = if grid.judges_by_val() { "val accuracy" } else { "training loss (there is no val)" };
    println!("  grid: {} epochs at each rate, mean {by}", grid.epochs);
    for at in &grid.rates {
        let result = match (at.diverged(), AtRate::mean(&at.val_accuracy), AtRate::mean(&at.train_loss)) {
            (0, Some(accuracy), _) => format!("{:.1} %", accuracy * 100.0),
            (0, None, Some(loss)) => format!("{loss:.3}"),
            (diverged, ..) => format!("diverged ({diverged} of {} seeds)", at.train_loss.len()),
        };
        println!("    {:.1e}  {result}", at.learning_rate);
    }
    match grid.good {
        Some((low, high)) if low < high => println!("    as good as the best: {low:.1e} to {high:.1e}"),
        Some((only, _)) => println!("    the best: {only:.1e}"),
        None => println!("    every rate diverged"),
    }
}

/// What the picture shows of it.
pub fn drawn(findings: &Findings) -> RangeTest {
    let Findings { dataset, arm, canvas, tests, grid, loss } = findings;
    let frame = canvas.map_or_else(String::new, |side| format!(", canvas {side}"));
    let sample = |point: &crate::finetune::range_test::Point| Sample {
        learning_rate: point.learning_rate,
        loss: point.loss,
        smoothed: point.smoothed,
    };
    let suggested = |&(name, rule): &super::Rule| {
        let rates = findings.rates(rule);
        Some(Suggested { name, low: *rates.first()?, high: *rates.last()?, middle: median(rates)? })
    };
    let trained = |at: &AtRate| Trained {
        learning_rate: at.learning_rate,
        accuracies: at.val_accuracy.iter().copied().flatten().collect(),
        diverged: at.diverged(),
    };
    RangeTest {
        title: format!("{dataset}, {arm}{frame}"),
        loss: loss_name(*loss),
        curves: tests.iter().map(|found| found.curve.points().iter().map(sample).collect()).collect(),
        suggestions: RULES.iter().filter_map(suggested).collect(),
        grid: grid.iter().filter(|grid| grid.judges_by_val()).flat_map(|grid| &grid.rates).map(trained).collect(),
        epochs: grid.as_ref().map_or(0, |grid| grid.epochs),
    }
}
