//! The verdict: which arm to take, what it reaches and costs, what the next ones would give. The rule is fixed before
//! anything is measured: of all arms within the budget the cheapest that is shown not to be worse than the best by more
//! than the margin. The best is that of the selection images, so that no reported image chose what it then judges.

use crate::record::Family;
use crate::stats::latency::median;
use crate::stats::outcome::{Judged, Outcome, judge};
use crate::stats::paired::holm;

use super::findings::name;
use super::format::{count, counted, list, percent, points, relation, significant, trimmed};
use super::said;
use super::summary::{Entry, Scores, Summary, difference, range, strongest};

/// Where the largest class has so many times the images of the smallest, the metric matters.
const UNBALANCED: usize = 3;

/// An arm that may be taken.
#[derive(Clone, Copy)]
struct Candidate<'s, 'a> {
    /// Of the entry.
    index: usize,
    entry: &'s Entry<'a>,
    scores: &'s Scores,
    /// Milliseconds an image on one thread; infinite where none were taken.
    ms: f64,
}

/// What was found by the rule.
struct Choice {
    best: usize,
    taken: usize,
    /// Arms cheaper than the best, and the adjusted p of that which was taken.
    compared: usize,
    p: Option<f64>,
    /// Differences that could have been shown.
    detectable: (f64, f64),
}

/// The sentences on top of the page; none for an experiment, which has its own question, and none where no arm was
/// measured that looks at the content of images.
pub fn verdict(summary: &Summary) -> Vec<String> {
    if summary.records.experiment.is_some() {
        return Vec::new();
    }
    let all = candidates(summary);
    let budget = summary.question.budget;
    let within: Vec<Candidate> = all.iter().copied().filter(|arm| budget.ms.is_none_or(|ms| arm.ms <= ms)).collect();
    let mut sentences = Vec::new();
    match choice(summary, &within) {
        Some(choice) => {
            sentences.push(recommended(summary, &within, &choice));
            sentences.extend(neighbours(summary, &all, &within, &choice));
        }
        None if !all.is_empty() => {
            let cheapest = all.iter().map(|arm| arm.ms).fold(f64::INFINITY, f64::min);
            sentences.push(format!(
                "No arm is within the budget of {} ms an image: the cheapest takes {} ms.",
                trimmed(budget.ms.unwrap_or_default(), 2),
                significant(cheapest, 2)
            ));
        }
        None => return Vec::new(),
    }
    sentences.extend(deep(summary, &all));
    sentences.extend(unknown_sizes(summary));
    sentences.extend(unbalanced(summary));
    sentences
}

/// The entry that the rule takes; `None` where there is none to take.
pub fn taken(summary: &Summary) -> Option<usize> {
    let budget = summary.question.budget;
    let within: Vec<Candidate> =
        candidates(summary).into_iter().filter(|arm| budget.ms.is_none_or(|ms| arm.ms <= ms)).collect();
    choice(summary, &within).map(|choice| within[choice.taken].index)
}

fn candidates<'s, 'a>(summary: &'s Summary<'a>) -> Vec<Candidate<'s, 'a>> {
    let indices = summary.first_column().map_or(&[][..], |column| &column.entries);
    let of = |&index: &usize| {
        let entry = &summary.entries[index];
        let fair = !entry.is_floor() && !entry.chosen_by_reported_images();
        let scores = entry.scores.as_ref().filter(|_| fair)?;
        Some(Candidate { index, entry, scores, ms: median(&entry.times.single).unwrap_or(f64::INFINITY) })
    };
    indices.iter().filter_map(of).collect()
}

/// Non-inferiority of every cheaper arm to the best, one-sided, by Holm over these arms.
fn choice(summary: &Summary, within: &[Candidate]) -> Option<Choice> {
    let rule = summary.question.rule;
    let best = strongest(&summary.entries, within.iter().map(|arm| arm.index))?;
    let best = within.iter().position(|arm| arm.index == best)?;
    let cheaper = (0..within.len()).filter(|&arm| within[arm].ms < within[best].ms);
    let against_best = |arm: usize| {
        let found = difference(within[arm].entry, within[best].entry, &summary.runs, &summary.question)?;
        Some((arm, found))
    };
    let compared: Vec<_> = cheaper.filter_map(against_best).collect();
    let p = holm(&compared.iter().map(|(_, found)| found.p_above(-rule.margin)).collect::<Vec<_>>());
    let shown = compared.iter().zip(&p).filter(|(_, p)| **p < 1.0 - rule.level);
    let taken = shown.min_by(|((a, _), _), ((b, _), _)| within[*a].ms.total_cmp(&within[*b].ms));
    Some(Choice {
        best,
        taken: taken.map_or(best, |((arm, _), _)| *arm),
        compared: compared.len(),
        p: taken.map(|(_, p)| *p),
        detectable: range(compared.iter().filter_map(|(_, found)| found.detectable(rule.level))),
    })
}

fn recommended(summary: &Summary, within: &[Candidate], choice: &Choice) -> String {
    let (question, arm) = (&summary.question, within[choice.taken]);
    let best = &within[choice.best].entry.label;
    let limit = question.budget.ms.map_or(String::new(), |ms| format!(" within {} ms an image", trimmed(ms, 2)));
    let why = match choice.p {
        Some(p) => format!(
            "It is the cheapest of {}{limit} that is shown not to be worse than the best, `{best}`, by more than {} \
             (one-sided, p {} by Holm over {}).",
            counted(within.len(), "arm"),
            said::margin(question.rule),
            relation(p),
            counted(choice.compared, "arm"),
        ),
        None if choice.compared == 0 => {
            format!("It is the best of {}{limit}, and no dearer one.", counted(within.len(), "arm"))
        }
        None => format!(
            "It is the best of {}{limit}: none of the cheaper is shown not to be worse by more than {}. These images and \
             seeds show differences of {} in four of five measurements.",
            counted(within.len(), "arm"),
            said::margin(question.rule),
            shown(choice.detectable),
        ),
    };
    format!(
        "Take {}: {} is to be expected. {why} The best is that of the selection images.",
        name(arm.entry),
        expected(summary, arm)
    )
}

/// `96.1 % accuracy (95 % interval 91.7 to 98.5, 153 val images, 3 seeds) at 41 ms an image`
fn expected(summary: &Summary, arm: Candidate) -> String {
    let (scores, metric) = (arm.scores, summary.question.aim.metric());
    let interval = scores.intervals[metric];
    let interval =
        interval.map_or(String::new(), |i| format!("95 % interval {} to {} %, ", percent(i.low), percent(i.high)));
    format!(
        "{} % {} ({interval}{} {} images, {}){}",
        scores.metrics[metric].map_or_else(String::new, percent),
        summary.question.aim.title(),
        count(scores.n),
        arm.entry.row.split,
        counted(scores.seeds, "seed"),
        at(arm)
    )
}

fn at(arm: Candidate) -> String {
    if arm.ms.is_finite() { format!(" at {} ms an image on one thread", significant(arm.ms, 2)) } else { String::new() }
}

fn shown((least, most): (f64, f64)) -> String {
    match (percent(least), percent(most)) {
        _ if !least.is_finite() => "an unknown size".to_owned(),
        (low, high) if low == high => format!("{low} points"),
        (low, high) => format!("{low} to {high} points"),
    }
}

/// What the next cheaper arm and the next better one would give, better on the selection images; both judged together.
fn neighbours(summary: &Summary, all: &[Candidate], within: &[Candidate], choice: &Choice) -> Option<String> {
    let taken = within[choice.taken];
    let cheaper = strongest(&summary.entries, all.iter().filter(|arm| arm.ms < taken.ms).map(|arm| arm.index));
    let cheaper = all.iter().find(|arm| Some(arm.index) == cheaper);
    let promises = |arm: &&Candidate| arm.entry.val_accuracy() > taken.entry.val_accuracy();
    let better = all.iter().filter(promises).min_by(|a, b| a.ms.total_cmp(&b.ms));
    let asked = [("The best of the cheaper", cheaper), ("The cheapest of the better", better)];
    let asked = asked.into_iter().filter_map(|(which, arm)| {
        Some((which, arm?, difference(arm?.entry, taken.entry, &summary.runs, &summary.question)?))
    });
    let asked: Vec<_> = asked.collect();
    let judged = judge(&asked.iter().map(|(.., found)| *found).collect::<Vec<_>>(), summary.question.rule);
    let said = asked.iter().zip(&judged).map(|((which, arm, _), judged)| {
        format!(
            "{which}: `{}`{}, {} against it{}",
            arm.entry.label,
            at(**arm),
            gain(summary, judged),
            is(summary, judged)
        )
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| format!("{}.", said.join(". ")))
}

/// `−2.6 points (95 % interval −6.5 to +0.9)`
fn gain(summary: &Summary, judged: &Judged) -> String {
    let interval = said::interval(&judged.difference, summary.question.rule.level);
    format!("{} points (95 % interval {interval})", points(judged.difference.mean()))
}

fn is(summary: &Summary, judged: &Judged) -> String {
    format!(", {}", said::outcome(judged.outcome, summary.question.rule))
}

/// Whether deep features pay, by the best of each family on the selection images.
fn deep(summary: &Summary, all: &[Candidate]) -> Option<String> {
    let best = |family: Family| {
        let of_family = all.iter().filter(|arm| arm.entry.is_of(family)).map(|arm| arm.index);
        let index = strongest(&summary.entries, of_family)?;
        all.iter().find(|arm| arm.index == index)
    };
    let (deep, handcrafted) = (best(Family::Deep)?, best(Family::Handcrafted)?);
    let found = difference(deep.entry, handcrafted.entry, &summary.runs, &summary.question)?;
    let judged = judge(&[found], summary.question.rule).pop()?;
    let verdict = match judged.outcome {
        Outcome::Better => "Deep features pay here".to_owned(),
        Outcome::Worse => "Deep features do not pay here: handcrafted ones are better".to_owned(),
        Outcome::Equivalent => {
            format!(
                "Deep and handcrafted features are {} here",
                said::outcome(Outcome::Equivalent, summary.question.rule)
            )
        }
        Outcome::Undecided => "Whether deep features pay here is undecided".to_owned(),
    };
    Some(format!(
        "{verdict}: `{}`{} reaches {} against `{}`{}.{}",
        deep.entry.label,
        at(*deep),
        gain(summary, &judged),
        handcrafted.entry.label,
        at(*handcrafted),
        said::detectable(&judged, summary.question.rule)
    ))
}

fn unknown_sizes(summary: &Summary) -> Option<String> {
    let mib = summary.question.budget.mib?;
    Some(format!(
        "The budget of {} MiB was not applied: the size of an exported file is not recorded.",
        trimmed(mib, 2)
    ))
}

fn unbalanced(summary: &Summary) -> Option<String> {
    let counts = || summary.records.dataset.counts.iter().filter(|class| class.test > 0);
    let (most, least) = (counts().max_by_key(|class| class.test)?, counts().min_by_key(|class| class.test)?);
    let asked = summary.question.aim == super::summary::Aim::Accuracy && most.test >= UNBALANCED * least.test;
    asked.then(|| {
        let classes = [most, least].map(|class| format!("{} of `{}`", count(class.test), class.class));
        format!(
            "The reported images are unbalanced ({}): with `--metric mean-class` every class counts alike.",
            list(&classes)
        )
    })
}
