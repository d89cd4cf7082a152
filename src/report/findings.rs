//! The findings: what the numbers say, in sentences that are computed from them. Names stand in backticks, which
//! each renderer turns into its own way of writing code.

use crate::catalogue;
use crate::record::{Family, Status};
use crate::stats::binomial;
use crate::stats::latency::median;
use crate::stats::outcome::{Judged, Outcome, judge};
use crate::stats::paired::holm;

use super::format::{NONE, column_name, count, counted, list, percent, points, relation, significant, trimmed};
use super::precision::precisions;
use super::said;
use super::summary::{Column, Entry, Pair, Summary, range, strongest};

/// All findings, the most important first.
pub fn findings(summary: &Summary) -> Vec<String> {
    let mut findings = Vec::new();
    findings.extend(summary.columns.iter().skip(1).filter_map(|column| canvas(summary, column)));
    findings.extend(best_arms(summary));
    findings.extend(not_run(summary));
    findings.extend(reduced(summary));
    findings.extend(floors(summary));
    findings.extend(chance(summary));
    findings.extend(times(summary));
    findings.extend(precisions(summary));
    findings.extend(seeds(summary));
    findings.extend(resolution(summary));
    findings.extend(incomplete(summary));
    findings
}

/// An arm's name as code, with the network behind it.
pub fn name(entry: &Entry) -> String {
    match entry.network() {
        network if network.is_empty() || entry.label.contains(&entry.row.backbone) => format!("`{}`", entry.label),
        network => format!("`{}` ({network})", entry.label),
    }
}

/// Which arm of a family is best on the selection images, so that what it then reaches on the reported ones is no maximum.
/// An epoch that the reported images themselves chose is no candidate.
fn best<'s, 'a>(summary: &'s Summary<'a>, column: &Column, family: Family) -> Option<(usize, &'s Entry<'a>)> {
    let fair = |entry: &Entry| entry.is_of(family) && !entry.chosen_by_reported_images() && entry.scores.is_some();
    let of_family = column.entries.iter().copied().filter(|&i| fair(&summary.entries[i]));
    strongest(&summary.entries, of_family).map(|i| (i, &summary.entries[i]))
}

fn best_arms(summary: &Summary) -> Vec<String> {
    let Some(column) = summary.first_column() else { return Vec::new() };
    let sentence = |(_, entry): (usize, &Entry)| {
        let scores = entry.scores.as_ref()?;
        let seeds = if scores.seeds > 1 { format!(", mean of {} seeds", scores.seeds) } else { String::new() };
        Some(format!(
            "{} {} arm that ran on {}{}: {} with {} % of {} {} images (95 % interval {} to {} %{seeds}).",
            if scores.val_accuracy.is_some() { "Best" } else { "First" },
            entry.row.family,
            column_name(&column.canvas),
            if scores.val_accuracy.is_some() { ", chosen on the selection images" } else { "" },
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
    let rule = summary.question.rule;
    let of_both = super::summary::difference(deep.1, handcrafted.1, &summary.runs, &summary.question)?;
    let judged = judge(&[of_both], rule).pop()?;
    let mean = judged.difference.mean();
    let (only_deep, only_handcrafted) = judged.difference.alone();
    let images = |share: f64| trimmed(share * judged.difference.images as f64, 1);
    let seeds = judged.difference.seeds;
    Some(format!(
        "The best deep arm is {} the best handcrafted one that ran: {} points of {} (95 % interval {}, p {}); {} images \
         only it gets right, {} only the handcrafted one{}.{}",
        match judged.outcome {
            Outcome::Better => "better than".to_owned(),
            Outcome::Worse => "worse than".to_owned(),
            Outcome::Equivalent => format!("equivalent within {} to", said::margin(rule)),
            Outcome::Undecided => "not told from".to_owned(),
        },
        points(mean),
        summary.question.aim.title(),
        said::interval(&judged.difference, rule.level),
        relation(judged.p),
        images(only_deep),
        images(only_handcrafted),
        if seeds > 1 { format!(" (means of {seeds} seeds)") } else { String::new() },
        said::detectable(&judged, rule),
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
    let (floor, rule) = (&summary.entries[column.floor?], summary.question.rule);
    let title = summary.arm(floor).map_or(String::new(), |arm| format!(" ({})", arm.title));
    let mut judged: Vec<String> = Vec::new();
    for entry in column.entries.iter().map(|&i| &summary.entries[i]) {
        let (Some(against), Some(accuracy)) = (&entry.against_floor, entry.accuracy()) else { continue };
        let (label, accuracy) = (&entry.label, percent(accuracy));
        match against.judged.outcome {
            Outcome::Better => {}
            Outcome::Worse => judged.push(format!("`{label}` ({accuracy} %) is worse than `{}`", against.floor)),
            Outcome::Equivalent => judged.push(format!(
                "`{label}` ({accuracy} %) is equivalent to `{}` within {}",
                against.floor,
                said::margin(rule)
            )),
            Outcome::Undecided => judged.push(format!(
                "whether `{label}` ({accuracy} %) beats `{}` is undecided (p {})",
                against.floor,
                relation(against.judged.p_adjusted)
            )),
        }
    }
    let compared = column.entries.iter().any(|&i| summary.entries[i].against_floor.is_some());
    let verdict = match judged.as_slice() {
        [] if compared => " Every measured arm beats every floor.".to_owned(),
        [] => String::new(),
        judged => format!(" Not all arms beat every floor: {} (after Holm's correction).", list(judged)),
    };
    Some(format!(
        "The highest floor on {}, by the selection images, is `{}`{title} with {} %.{verdict}",
        column_name(&column.canvas),
        floor.label,
        percent(floor.accuracy()?),
    ))
}

/// Where guessing is known to end, and which arms can't be told from it.
fn chance(summary: &Summary) -> Option<String> {
    let column = summary.first_column()?;
    let mut chance = None;
    let (mut arms, mut p) = (Vec::new(), Vec::new());
    for entry in column.entries.iter().map(|&i| &summary.entries[i]) {
        let Some(run) = summary.shown_run(entry) else { continue };
        let (Some(known), Some(confusion)) = (run.chance(), run.confusion.as_ref()) else { continue };
        chance = Some(known);
        p.push(binomial::test(confusion.correct(), confusion.total(), known));
        arms.push((entry, confusion.accuracy()?));
    }
    let (mut guesses, mut above) = (Vec::new(), Vec::new());
    for ((entry, accuracy), p) in arms.into_iter().zip(holm(&p)) {
        let said = format!("`{}` ({} %, p {})", entry.label, percent(accuracy), relation(p));
        let level = entry.against_floor.as_ref().is_some_and(|against| against.judged.outcome != Outcome::Better);
        match p {
            p if p >= 1.0 - summary.question.rule.level => guesses.push(said),
            _ if level => above.push(said),
            _ => {}
        }
    }
    let chance = format!("Chance is {} %, since every class has as many reported images", percent(chance?));
    let test = "exact binomial test of the first seed, after Holm's correction";
    Some(match (guesses.is_empty(), above.is_empty()) {
        (true, true) => format!("{chance}; every arm can be told from it ({test})."),
        (false, true) => format!("{chance}; {} is not shown to differ from it ({test}).", list(&guesses)),
        (true, false) => format!("{chance}; every arm can be told from it, {} too ({test}).", list(&above)),
        (false, false) => {
            format!("{chance}; {} is not shown to differ from it, {} is ({test}).", list(&guesses), list(&above))
        }
    })
}

/// An arm on native images and on a canvas.
struct Move<'a> {
    label: &'a str,
    before: f64,
    after: f64,
    judged: Option<&'a Judged>,
}

impl Move<'_> {
    fn change(&self) -> f64 {
        self.after - self.before
    }

    fn is(&self, outcome: Outcome) -> bool {
        self.judged.is_some_and(|judged| judged.outcome == outcome)
    }

    fn describe(&self, first: bool, summary: &Summary) -> String {
        let Move { label, before, after, judged } = self;
        let (goes, unit) = if first { (" goes", " points") } else { ("", "") };
        let said = match judged {
            Some(judged) if judged.outcome == Outcome::Undecided => {
                format!(", undecided: p {}", relation(judged.p_adjusted))
            }
            Some(judged) => format!(", {}", said::outcome(judged.outcome, summary.question.rule)),
            None => String::new(),
        };
        let change = points(self.change());
        format!("`{label}`{goes} from {} to {} % ({change}{unit}{said})", percent(*before), percent(*after))
    }
}

/// What is left of native accuracies on a canvas, the greatest loss first.
fn canvas(summary: &Summary, column: &Column) -> Option<String> {
    let native = summary.first_column().filter(|first| first.canvas == "native")?;
    let mut moves: Vec<Move> = Vec::new();
    for (i, entry) in column.entries.iter().map(|&i| (i, &summary.entries[i])).filter(|(_, e)| !e.is_floor()) {
        let Some(before) = summary.same_arm(entry, native) else { continue };
        if let (Some(before), Some(after)) = (summary.entries[before].accuracy(), entry.accuracy()) {
            let judged = summary.moved(i).map(|pair| &pair.judged);
            moves.push(Move { label: &entry.label, before, after, judged });
        }
    }
    moves.sort_by(|a, b| a.change().total_cmp(&b.change()));
    let meaning = if moves.iter().any(|arm| arm.is(Outcome::Worse)) {
        " The canvas takes away size and shape, and it crops and blurs: which of these a loss comes from is not told \
         apart."
    } else {
        ""
    };
    let moves: Vec<String> = moves.iter().enumerate().map(|(i, arm)| arm.describe(i == 0, summary)).collect();
    (!moves.is_empty()).then(|| {
        format!(
            "On {}, where every image has the same size, shape and resolution, {} (all after Holm's correction).{meaning}",
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
    let column = summary.first_column()?;
    Some(format!(
        "Resolution: with these images and seeds two arms have to differ by {} points, the less the more alike they are, \
         for a comparison by itself to show it in four of five measurements.",
        shown(&column.pairs, summary.question.rule.level)?
    ))
}

/// Which differences the pairs of a column could show.
pub fn column_resolution(summary: &Summary, column: &Column) -> Option<String> {
    let (level, pairs) = (summary.question.rule.level, column.pairs.len());
    Some(format!(
        "What images and seeds like these show in four of five measurements: {} points for one pair by itself, {} among {}.",
        shown(&column.pairs, level)?,
        shown(&column.pairs, 1.0 - (1.0 - level) / pairs as f64)?,
        counted(pairs, "pair"),
    ))
}

/// `0.7 to 2.1`
fn shown(pairs: &[Pair], level: f64) -> Option<String> {
    let (least, most) = range(pairs.iter().filter_map(|pair| pair.judged.difference.detectable(level)));
    let (low, high) = (percent(least), percent(most));
    least.is_finite().then(|| if low == high { low } else { format!("{low} to {high}") })
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
