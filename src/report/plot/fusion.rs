//! What the members of a fusion add: val accuracy of the strongest alone, and of what came of it with the others, read off
//! the candidates that selection recorded.

use crate::record::SelectionRow;
use crate::report::format::{count, percent, points};
use crate::report::summary::{Entry, Summary};

use super::figure::{Figure, MARGIN, widest};
use super::scale::Scale;

const WIDTH: f64 = 860.0;
/// Pixels from one member to the next, and before an arm.
const LINE: f64 = 24.0;
const HEADING: f64 = 36.0;

/// One block a fusion of the first column, of the seed that pictures show.
pub fn figure(summary: &Summary) -> Option<Figure> {
    let column = summary.first_column()?;
    let entries = column.entries.iter().map(|&i| &summary.entries[i]);
    let blocks: Vec<Block> = entries.filter_map(|entry| Block::of(summary, entry)).collect();
    let images = blocks.first()?.n;
    let description = format!(
        "Accuracy on {} val images, %: of the strongest member alone, and with what joined it. Hollow: other members alone, and \
         what is left without one where that was tried. Settings of the classifier are the best for each.",
        count(images)
    );
    let title = format!("{}: what each member of a fusion adds", summary.records.dataset.title);
    let (mut figure, top) = Figure::new("fusion", WIDTH, &title, &description);
    let labels = blocks.iter().flat_map(|block| block.rows()).map(|row| row.0);
    let labels: Vec<String> = labels.collect();
    let left = MARGIN + widest(labels.iter().map(String::as_str), 13.0) + 24.0;
    let lowest = blocks.iter().flat_map(Block::accuracies).fold(1.0, f64::min);
    let scale = Scale::of_accuracies(lowest, (left, WIDTH - MARGIN - 120.0));
    let bottom = top + blocks.iter().map(Block::height).sum::<f64>();
    scale.accuracy_axis(&mut figure, (top + 8.0, bottom));
    let mut y = top;
    for block in &blocks {
        block.draw(&mut figure, y, &scale);
        y += block.height();
    }
    figure.height = bottom + 24.0 + MARGIN;
    Some(figure)
}

/// A fusion's way to what was chosen.
#[derive(Debug, PartialEq)]
struct Block {
    label: String,
    family: String,
    /// The chosen weights.
    chosen: String,
    /// Images of val.
    n: usize,
    /// What was right with the strongest member, and after each step.
    steps: Vec<(String, usize)>,
    /// Members that selection did not begin with, each alone, and the chosen ones without one.
    beside: Vec<(String, usize)>,
}

/// A candidate: members with weights as they are recorded, and the most that was right with any classifier.
type Tried<'a> = (Vec<&'a str>, usize);

impl Block {
    fn of(summary: &Summary, entry: &Entry) -> Option<Block> {
        let members = members(&summary.arm(entry)?.settings)?;
        let run = summary.shown_run(entry)?;
        let rows: Vec<&SelectionRow> =
            summary.records.details.selection.iter().filter(|row| row.run_id == run.row.run_id).collect();
        let n = rows.first()?.n;
        let tried = tried(&rows, &members);
        let chosen = rows.iter().find(|row| row.chosen).map(|row| parts(&row.settings, &members))?;
        let steps = steps(&tried, &chosen, members.len())?;
        let beside = beside(&tried, &chosen, &steps);
        let (label, family) = (entry.label.clone(), entry.row.family.clone());
        Some(Block { label, family, chosen: chosen.join(" "), n, steps, beside })
    }

    fn height(&self) -> f64 {
        HEADING + LINE * (self.steps.len() + self.beside.len()) as f64
    }

    fn accuracies(&self) -> impl Iterator<Item = f64> {
        self.steps.iter().chain(&self.beside).map(|(_, correct)| self.accuracy(*correct))
    }

    fn accuracy(&self, correct: usize) -> f64 {
        correct as f64 / self.n.max(1) as f64
    }

    /// Label, accuracy, and the accuracy before, where others joined.
    fn rows(&self) -> Vec<(String, f64, Option<f64>)> {
        let before = |i: usize| i.checked_sub(1).map(|i| self.accuracy(self.steps[i].1));
        let step =
            |(i, (label, correct)): (usize, &(String, usize))| (label.clone(), self.accuracy(*correct), before(i));
        let other = |(label, correct): &(String, usize)| (label.clone(), self.accuracy(*correct), None);
        self.steps.iter().enumerate().map(step).chain(self.beside.iter().map(other)).collect()
    }

    fn draw(&self, figure: &mut Figure, top: f64, scale: &Scale) {
        figure.text(MARGIN, top + HEADING - 12.0, &self.label, &format!("strong ink-{}", self.family));
        figure.text(WIDTH - MARGIN, top + HEADING - 12.0, &self.chosen, "muted small end");
        for (i, (label, accuracy, before)) in self.rows().into_iter().enumerate() {
            let y = top + HEADING + LINE * (i as f64 + 0.5) - 4.0;
            let taken = i < self.steps.len();
            figure.text(MARGIN + 12.0, y + 4.5, &label, if taken { "" } else { "muted" });
            if let Some(before) = before {
                figure.line((scale.at(before), y), (scale.at(accuracy), y), &format!("move {}", self.family));
                figure.line((scale.at(before), y - LINE), (scale.at(before), y), "leader");
                figure.text(WIDTH - MARGIN, y + 4.5, &points(accuracy - before), "end strong");
            }
            figure.text(WIDTH - MARGIN - 62.0, y + 4.5, &percent(accuracy), "end");
            let title = format!("{}, {label}: {} %", self.label, percent(accuracy));
            figure.marker(scale.at(accuracy), y, &self.family, !taken, title);
        }
    }
}

/// Names of the members of a fusion; `None` where these settings are of another kind.
fn members(settings: &str) -> Option<Vec<String>> {
    let settings: toml::Table = settings.parse().ok()?;
    let features = settings.get("features")?.as_table()?;
    if features.get("kind")?.as_str()? != "fusion" {
        return None;
    }
    let name = |member: &toml::Value| Some(member.get("name")?.as_str()?.to_owned());
    features.get("member")?.as_array()?.iter().map(name).collect()
}

/// `name=weight` of the members in a candidate's settings.
fn parts<'a>(settings: &'a str, members: &[String]) -> Vec<&'a str> {
    settings.split(' ').filter(|part| members.iter().any(|name| part.contains('=') && name_of(part) == name)).collect()
}

fn name_of(part: &str) -> &str {
    part.split('=').next().unwrap_or_default()
}

fn tried<'a>(rows: &[&'a SelectionRow], members: &[String]) -> Vec<Tried<'a>> {
    let mut tried: Vec<Tried> = Vec::new();
    for row in rows {
        let parts = parts(&row.settings, members);
        match tried.iter_mut().find(|(known, _)| *known == parts) {
            Some((_, correct)) => *correct = row.correct.max(*correct),
            None => tried.push((parts, row.correct)),
        }
    }
    tried
}

/// How selection came to the chosen members, in words and with what was right: one by one where it was so, else from the
/// strongest by way of all of them alike.
fn steps(tried: &[Tried], chosen: &[&str], members: usize) -> Option<Vec<(String, usize)>> {
    let joined = |(i, (part, correct)): (usize, (String, usize))| {
        let (name, weight) = part.split_once('=').unwrap_or((&part, ""));
        (if i == 0 { format!("{name} alone") } else { format!("+ {weight} × {name}") }, correct)
    };
    if let Some(way) = way(tried, chosen) {
        return Some(way.into_iter().enumerate().map(joined).collect());
    }
    let alone = best(tried.iter().filter(|(parts, _)| parts.len() == 1))?;
    let strongest = name_of(alone.0[0]);
    let alike = best(tried.iter().filter(|(parts, _)| {
        let mut others = parts.iter().filter(|part| name_of(part) != strongest).map(|part| part.split('=').nth(1));
        let first = others.next();
        parts.len() == members && others.all(|weight| Some(weight) == first)
    }));
    let mut steps = vec![(format!("{strongest} alone"), alone.1)];
    if let Some((parts, correct)) = alike {
        let weight = parts.iter().find(|part| name_of(part) != strongest)?.split('=').nth(1)?;
        steps.push((format!("+ {weight} × each of the others"), *correct));
    }
    let (_, correct) = tried.iter().find(|(parts, _)| parts == chosen)?;
    if alike.is_none_or(|(parts, _)| parts != chosen) {
        steps.push(("weights one after the other".to_owned(), *correct));
    }
    Some(steps)
}

/// The candidate with which most was right, the first of equal ones.
fn best<'t, 'a>(tried: impl Iterator<Item = &'t Tried<'a>>) -> Option<&'t Tried<'a>> {
    tried.reduce(|best, one| if one.1 > best.1 { one } else { best })
}

/// Members alone that no step names, and what was chosen without one of its members, where that was tried.
fn beside(tried: &[Tried], chosen: &[&str], steps: &[(String, usize)]) -> Vec<(String, usize)> {
    let alone = tried.iter().filter(|(parts, _)| parts.len() == 1);
    let alone = alone.map(|(parts, correct)| (format!("{} alone", name_of(parts[0])), *correct));
    let named = |label: &str| steps.iter().any(|(step, _)| step == label);
    let alone = alone.filter(|(label, _)| !named(label));
    let without = chosen.iter().filter(|_| chosen.len() > 2).filter_map(|left| {
        let rest: Vec<&str> = chosen.iter().copied().filter(|part| part != left).collect();
        let (_, correct) = tried.iter().find(|(parts, _)| *parts == rest)?;
        Some((format!("without {}", name_of(left)), *correct))
    });
    let mut all: Vec<(String, usize)> = Vec::new();
    for (label, correct) in alone.chain(without) {
        // one alone may have been tried with several weights, the first of which counts
        if !all.iter().any(|(known, _)| *known == label) {
            all.push((label, correct));
        }
    }
    all
}

/// The way to the chosen members, one by one, by what was tried and always got better: of several the one that was best
/// before its last step, and so on back to the first.
fn way(tried: &[Tried], chosen: &[&str]) -> Option<Vec<(String, usize)>> {
    let of = |parts: &[&str]| tried.iter().find(|(known, _)| known == parts).map(|(_, correct)| *correct);
    let correct = of(chosen)?;
    if let [only] = chosen {
        return Some(vec![((*only).to_owned(), correct)]);
    }
    let without = |last: usize| -> Vec<&str> {
        chosen.iter().enumerate().filter(|(i, _)| *i != last).map(|(_, part)| *part).collect()
    };
    let mut before: Vec<(usize, usize)> = (0..chosen.len())
        .filter_map(|last| Some((last, of(&without(last)).filter(|before| *before < correct)?)))
        .collect();
    before.sort_by_key(|(_, correct)| std::cmp::Reverse(*correct));
    before.into_iter().find_map(|(last, _)| {
        let mut steps = way(tried, &without(last))?;
        steps.push((chosen[last].to_owned(), correct));
        Some(steps)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_what_was_chosen_is_read_off_the_candidates() {
        let row = |settings: &str, correct, chosen| SelectionRow {
            run_id: "r".into(),
            candidate: 0,
            settings: settings.into(),
            correct,
            n: 50,
            chosen,
        };
        let rows = [
            row("sift=1 kernel=linear C=1", 38, false),
            row("sift=1 kernel=linear C=3", 40, false),
            row("colour=1 kernel=linear C=1", 41, false),
            row("centrist=1 kernel=linear C=1", 30, false),
            row("sift=1 colour=0.5 kernel=linear C=1", 44, false),
            row("sift=0.5 colour=1 kernel=linear C=1", 39, false),
            row("sift=1 colour=0.5 centrist=0.125 kernel=linear C=3", 46, true),
            row("sift=1 centrist=0.125 kernel=linear C=3", 40, false),
        ];
        let members = ["sift", "colour", "centrist", "C"].map(String::from);
        let rows: Vec<&SelectionRow> = rows.iter().collect();
        let tried = tried(&rows, &members[..3]);
        let chosen = parts(&rows[6].settings, &members[..3]);
        let expected = [("sift=1", 40), ("colour=0.5", 44), ("centrist=0.125", 46)];
        assert_eq!(way(&tried, &chosen), Some(expected.map(|(part, n)| (part.to_owned(), n)).to_vec()));
        assert_eq!(way(&tried, &["colour=1"]), Some(vec![("colour=1".into(), 41)]));
        assert_eq!(way(&tried, &["sift=0.5", "colour=1"]), None, "nobody goes down");
        let labels = |steps: Vec<(String, usize)>| steps.into_iter().map(|step| step.0).collect::<Vec<_>>();
        let steps = steps(&tried, &chosen, 3).unwrap();
        let others = beside(&tried, &chosen, &steps);
        assert_eq!(labels(steps), ["sift alone", "+ 0.5 × colour", "+ 0.125 × centrist"]);
        assert_eq!(labels(others), ["colour alone", "centrist alone", "without colour", "without centrist"]);
    }

    #[test]
    fn a_search_from_all_members_on_has_all_of_them_as_a_step() {
        let tried: [Tried; 6] = [
            (vec!["sift=1"], 38),
            (vec!["colour=1"], 41),
            (vec!["sift=0.5", "colour=1", "centrist=0.5"], 44),
            (vec!["sift=0.25", "colour=1", "centrist=0.25"], 43),
            (vec!["sift=0.5", "colour=1", "centrist=0.25"], 45),
            (vec!["colour=1", "centrist=0.25"], 40),
        ];
        let chosen = ["sift=0.5", "colour=1", "centrist=0.25"];
        let steps = steps(&tried, &chosen, 3).unwrap();
        let expected = [("colour alone", 41), ("+ 0.5 × each of the others", 44), ("weights one after the other", 45)];
        assert_eq!(steps, expected.map(|(label, n)| (label.to_owned(), n)));
        let others = [("sift alone", 38), ("without sift", 40)];
        assert_eq!(beside(&tried, &chosen, &steps), others.map(|(label, n)| (label.to_owned(), n)));
    }

    #[test]
    fn members_are_those_of_a_fusion_alone() {
        let fusion = "[features]\nkind = \"fusion\"\n[[features.member]]\nname = \"sift\"\n";
        assert_eq!(members(fusion), Some(vec!["sift".to_owned()]));
        assert_eq!(members("[features]\nkind = \"local\""), None);
        assert_eq!(members("no settings"), None);
    }
}
