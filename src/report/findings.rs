//! The findings: what the numbers say, in sentences that are computed from them. Names stand in backticks, which
//! each renderer turns into its own way of writing code.

use crate::catalogue;
use crate::record::{Family, Status};
use crate::stats::binomial;
use crate::stats::latency::median;
use crate::stats::paired::smallest_significant_difference;

use super::format::{NONE, column_name, count, counted, list, percent, points, relation, significant};
use super::near_duplicates;
use super::summary::{Column, Entry, Pair, SIGNIFICANT, Summary, Verdict};

/// All findings, the most important first.
pub fn findings(summary: &Summary) -> Vec<String> {
    let mut findings = Vec::new();
    findings.extend(summary.columns.iter().skip(1).filter_map(|column| canvas(summary, column)));
    findings.extend(best_arms(summary));
    findings.extend(not_run(summary));
    findings.extend(reduced(summary));
    findings.extend(floors(summary));
    findings.extend(chance(summary));
    findings.extend(near_duplicates::finding(summary));
    findings.extend(times(summary));
    findings.extend(seeds(summary));
    findings.extend(resolution(summary));
    findings.extend(incomplete(summary));
    findings
}

/// An arm's name as code, with the network behind it.
fn name(entry: &Entry) -> String {
    match entry.network() {
        network if network.is_empty() || entry.label.contains(&entry.row.backbone) => format!("`{}`", entry.label),
        network => format!("`{}` ({network})", entry.label),
    }
}

/// An epoch that the reported images themselves chose is no candidate: the best of such arms is a maximum of maxima.
fn best<'s, 'a>(summary: &'s Summary<'a>, column: &Column, family: Family) -> Option<(usize, &'s Entry<'a>)> {
    let fair = |entry: &Entry| entry.is_of(family) && !entry.chosen_by_reported_images();
    let of_family = column.entries.iter().map(|&i| (i, &summary.entries[i])).filter(|(_, e)| fair(e));
    // The order of display is that of the first column, so the best of another one is looked for.
    of_family.filter(|(_, e)| e.scores.is_some()).reduce(|a, b| if b.1.accuracy() > a.1.accuracy() { b } else { a })
}

fn best_arms(summary: &Summary) -> Vec<String> {
    let Some(column) = summary.first_column() else { return Vec::new() };
    let sentence = |(_, entry): (usize, &Entry)| {
        let scores = entry.scores.as_ref()?;
        let seeds = if scores.seeds > 1 { format!(", mean of {} seeds", scores.seeds) } else { String::new() };
        Some(format!(
            "Best {} arm that ran on {}: {} with {} % of {} {} images (95 % interval {} to {} %{seeds}).",
            entry.row.family,
            column_name(&column.canvas),
            name(entry),
            percent(scores.accuracy.mean),
            count(scores.n),
            entry.row.split,
            percent(scores.interval.low),
            percent(scores.interval.high),
        ))
    };
    let (deep, handcrafted) = (best(summary, column, Family::Deep), best(summary, column, Family::Handcrafted));
    let mut sentences: Vec<String> = [deep, handcrafted].into_iter().flatten().filter_map(sentence).collect();
    if let (Some(deep), Some(handcrafted)) = (deep, handcrafted) {
        sentences.extend(difference(summary, deep, handcrafted));
    }
    sentences
}

/// The arms that might have been the best of their family, had they run; an experiment compares what it names.
fn not_run(summary: &Summary) -> Option<String> {
    let column = summary.first_column().filter(|_| summary.records.experiment.is_none())?;
    let ran = |name: &str| summary.runs.iter().any(|run| run.row.arm == name && run.row.status == Status::Ok);
    let of_family = |family: Family| {
        let known = catalogue::known().iter().filter(|arm| arm.family == family && !ran(&arm.name));
        let names: Vec<String> = known.map(|arm| format!("`{}`", arm.name)).collect();
        (!names.is_empty()).then(|| format!("{} {}", family.name(), list(&names)))
    };
    let judged =
        [Family::Deep, Family::Handcrafted].into_iter().filter(|&family| best(summary, column, family).is_some());
    let families: Vec<String> = judged.filter_map(of_family).collect();
    (!families.is_empty()).then(|| format!("Arms of featbench's own that did not run here: {}.", families.join("; ")))
}

/// What of the trainings is shorter than their arms say.
fn reduced(summary: &Summary) -> Option<String> {
    if summary.records.experiment.is_some() {
        return None;
    }
    let reduced = |entry: &&Entry| entry.row.form == "reduced";
    let length = |entry: &Entry| {
        let epochs = counted(entry.row.epochs.unwrap_or_default() as usize, "epoch");
        format!("`{}` ({epochs} on {} px)", entry.label, entry.row.input_px.unwrap_or_default())
    };
    let trained: Vec<String> = summary.entries.iter().filter(reduced).map(length).collect();
    (!trained.is_empty()).then(|| {
        format!(
            "Trained in the reduced form, for a fraction of the epochs that the arm states: {}. `--form standard` trains \
             in full.",
            trained.join(", ")
        )
    })
}

fn difference(summary: &Summary, deep: (usize, &Entry), handcrafted: (usize, &Entry)) -> Option<String> {
    let pair = Pair::of(deep.0, handcrafted.0, &summary.entries, &summary.runs)?;
    let difference = deep.1.accuracy()? - handcrafted.1.accuracy()?;
    let telling =
        if pair.verdict() == Verdict::Undecided { ", which this test set can't tell from chance" } else { "" };
    Some(format!(
        "The best deep arm is {} points {} the best handcrafted one that ran{telling}: {} only it gets right, {} only the \
         handcrafted one (first seed, exact McNemar p {}).",
        percent(difference.abs()),
        if difference < 0.0 { "below" } else { "above" },
        counted(pair.only_a, "image"),
        count(pair.only_b),
        relation(pair.p),
    ))
}

fn floors(summary: &Summary) -> Vec<String> {
    let mut findings: Vec<String> = summary.columns.iter().filter_map(|column| floor(summary, column)).collect();
    if let Some(first) = findings.first_mut() {
        first.push_str(" An arm that does not beat the floors has shown nothing about the content of the images.");
    }
    findings
}

fn floor(summary: &Summary, column: &Column) -> Option<String> {
    let floor = &summary.entries[column.floor?];
    let title = summary.arm(floor).map_or(String::new(), |arm| format!(" ({})", arm.title));
    let mut judged: Vec<String> = Vec::new();
    for entry in column.entries.iter().map(|&i| &summary.entries[i]) {
        let (Some(against), Some(accuracy)) = (&entry.against_floor, entry.accuracy()) else { continue };
        let accuracy = percent(accuracy);
        match against.verdict {
            Verdict::Above => {}
            Verdict::Undecided => judged.push(format!(
                "`{}` ({accuracy} %) can't be told from it (p {})",
                entry.label,
                relation(against.p)
            )),
            Verdict::Below => judged.push(format!("`{}` ({accuracy} %) lies below it", entry.label)),
        }
    }
    let compared = column.entries.iter().any(|&i| summary.entries[i].against_floor.is_some());
    let verdict = match judged.as_slice() {
        [] if compared => " Every measured arm beats it.".to_owned(),
        [] => String::new(),
        judged => format!(" {}.", judged.join("; ")),
    };
    Some(format!(
        "The highest floor on {} is `{}`{title} with {} %.{verdict}",
        column_name(&column.canvas),
        floor.label,
        percent(floor.accuracy()?),
    ))
}

/// Where guessing is known to end, and which arms can't be told from it.
fn chance(summary: &Summary) -> Option<String> {
    let column = summary.first_column()?;
    let mut chance = None;
    let (mut guesses, mut above) = (Vec::new(), Vec::new());
    for entry in column.entries.iter().map(|&i| &summary.entries[i]) {
        let Some(run) = summary.shown_run(entry) else { continue };
        let (Some(known), Some(confusion)) = (run.chance(), run.confusion.as_ref()) else { continue };
        chance = Some(known);
        let p = binomial::test(confusion.correct(), confusion.total(), known);
        let said = format!("`{}` ({} %, p {})", entry.label, percent(confusion.accuracy()?), relation(p));
        let level = entry.against_floor.as_ref().is_some_and(|against| against.verdict == Verdict::Undecided);
        match p {
            p if p >= SIGNIFICANT => guesses.push(said),
            _ if level => above.push(said),
            _ => {}
        }
    }
    let chance = format!("Chance is {} %, since every class has as many reported images", percent(chance?));
    let test = "exact binomial test, each arm by itself, first seed";
    Some(match (guesses.is_empty(), above.is_empty()) {
        (true, true) => format!("{chance}; every arm can be told from it ({test})."),
        (false, true) => format!("{chance}; {} can't be told from it ({test}).", list(&guesses)),
        (true, false) => format!("{chance}; every arm can be told from it, {} too ({test}).", list(&above)),
        (false, false) => {
            format!("{chance}; {} can't be told from it, {} can ({test}).", list(&guesses), list(&above))
        }
    })
}

/// An arm on native images and on a canvas.
struct Move<'a> {
    label: &'a str,
    before: f64,
    after: f64,
    /// Of the paired test, on the first seed.
    p: Option<f64>,
}

impl Move<'_> {
    fn change(&self) -> f64 {
        self.after - self.before
    }

    fn shown(&self) -> bool {
        self.p.is_some_and(|p| p < SIGNIFICANT)
    }

    fn describe(&self, first: bool) -> String {
        let Move { label, before, after, p } = self;
        let (goes, unit) = if first { (" goes", " points") } else { ("", "") };
        let p = match p {
            Some(p) if !self.shown() => format!(", not shown: p {}", relation(*p)),
            _ => String::new(),
        };
        let change = points(self.change());
        format!("`{label}`{goes} from {} to {} % ({change}{unit}{p})", percent(*before), percent(*after))
    }
}

/// What is left of native accuracies on a canvas, the greatest loss first.
fn canvas(summary: &Summary, column: &Column) -> Option<String> {
    let native = summary.first_column().filter(|first| first.canvas == "native")?;
    let mut moves: Vec<Move> = Vec::new();
    for (i, entry) in column.entries.iter().map(|&i| (i, &summary.entries[i])).filter(|(_, e)| !e.is_floor()) {
        let Some(before) = summary.same_arm(entry, native) else { continue };
        if let (Some(was), Some(after)) = (summary.entries[before].accuracy(), entry.accuracy()) {
            let pair = Pair::of(before, i, &summary.entries, &summary.runs);
            moves.push(Move { label: &entry.label, before: was, after, p: pair.map(|pair| pair.p) });
        }
    }
    moves.sort_by(|a, b| a.change().total_cmp(&b.change()));
    let meaning = if moves.first().is_some_and(|most| most.change() <= -0.05 && most.shown()) {
        " The canvas takes away size and shape, and it crops and blurs: which of these a loss comes from is not told \
         apart."
    } else {
        ""
    };
    let moves: Vec<String> = moves.iter().enumerate().map(|(i, arm)| arm.describe(i == 0)).collect();
    (!moves.is_empty()).then(|| {
        format!(
            "On {}, where every image has the same size, shape and resolution, {}.{meaning}",
            column_name(&column.canvas),
            list(&moves)
        )
    })
}

fn times(summary: &Summary) -> Option<String> {
    let column = summary.first_column()?;
    let timed = column.entries.iter().map(|&i| &summary.entries[i]).filter(|e| !e.is_floor());
    let mut times: Vec<(f64, &str)> =
        timed.filter_map(|e| Some((median(&e.times.single)?, e.label.as_str()))).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let times: Vec<String> = times.iter().map(|(ms, label)| format!("`{label}` {} ms", significant(*ms, 2))).collect();
    (!times.is_empty())
        .then(|| format!("From encoded bytes to class, one image at a time on one thread (median): {}.", list(&times)))
}

fn seeds(summary: &Summary) -> Option<String> {
    let spread = |e: &Entry| e.scores.as_ref().map_or(0.0, |s| s.accuracy.max - s.accuracy.min);
    let several = summary.entries.iter().filter(|e| e.scores.as_ref().is_some_and(|s| s.seeds > 1));
    let widest = several.reduce(|a, b| if spread(b) > spread(a) { b } else { a })?;
    let scores = widest.scores.as_ref()?;
    Some(format!(
        "From seed to seed accuracy moves by at most {} points (`{}` on {}: {} to {} %).",
        percent(spread(widest)),
        widest.label,
        column_name(&widest.row.canvas),
        percent(scores.accuracy.min),
        percent(scores.accuracy.max),
    ))
}

fn resolution(summary: &Summary) -> Option<String> {
    let n = summary.entries.iter().filter_map(|e| e.scores.as_ref()).map(|s| s.n).max()?;
    Some(format!(
        "Resolution: two arms need to differ by at least {} before an exact McNemar test can tell them apart.",
        least(n, 1)?
    ))
}

/// The smallest difference that could be told apart among the pairs of a column.
pub fn column_resolution(column: &Column) -> Option<String> {
    let n = column.pairs.iter().map(|pair| pair.n).max()?;
    let pairs = column.pairs.len();
    Some(format!(
        "The smallest difference that this test set could have shown: {} for one pair alone, {} among {}.",
        least(n, 1)?,
        least(n, pairs)?,
        counted(pairs, "pair"),
    ))
}

/// `6 of 1,909 images (0.31 points)`
fn least(n: usize, comparisons: usize) -> Option<String> {
    let images = smallest_significant_difference(n as u64, comparisons, SIGNIFICANT)? as usize;
    let points = significant(images as f64 / n as f64 * 100.0, 2);
    Some(format!("{} of {} ({points} points)", count(images), counted(n, "image")))
}

fn incomplete(summary: &Summary) -> Option<String> {
    let mut missing: Vec<String> = Vec::new();
    for entry in summary.entries.iter().filter(|e| e.row.status != Status::Ok) {
        let state = status_name(entry.row.status);
        missing.push(format!("`{}` on {} ({state})", entry.label, column_name(&entry.row.canvas)));
    }
    (!missing.is_empty()).then(|| format!("Not measured: {}; the reasons stand below.", list(&missing)))
}

/// How a run ended, as it is printed.
pub fn status_name(status: Status) -> &'static str {
    match status {
        Status::Ok => NONE,
        Status::Missing => "missing",
        Status::Failed => "failed",
    }
}
