//! Arms compared two by two on the images that both judged, over all seeds (`stats/compare.rs`), and judged together
//! with all others of the same table.

use crate::stats::compare::Difference;
use crate::stats::outcome::{Judged, Outcome, judge};

use super::run::{Run, common};
use super::{Entry, Question};

/// Two entries on the same images.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// Indices of the entries.
    pub a: usize,
    pub b: usize,
    pub judged: Judged,
}

impl Pair {
    /// A table of comparisons, adjusted together; without those that share no image.
    pub fn table(pairs: &[(usize, usize)], entries: &[Entry], runs: &[Run], question: &Question) -> Vec<Pair> {
        let of = |&(a, b): &(usize, usize)| Some(((a, b), difference(&entries[a], &entries[b], runs, question)?));
        let (pairs, differences): (Vec<_>, Vec<_>) = pairs.iter().filter_map(of).unzip();
        let judged = judge(&differences, question.rule);
        pairs.into_iter().zip(judged).map(|((a, b), judged)| Pair { a, b, judged }).collect()
    }

    /// Every two of the entries given.
    pub fn all(column: &[usize], entries: &[Entry], runs: &[Run], question: &Question) -> Vec<Pair> {
        let with_later = |(at, &a): (usize, &usize)| column[at + 1..].iter().map(move |&b| (a, b)).collect::<Vec<_>>();
        let pairs: Vec<(usize, usize)> = column.iter().enumerate().flat_map(with_later).collect();
        Pair::table(&pairs, entries, runs, question)
    }

    pub fn outcome(&self) -> Outcome {
        self.judged.outcome
    }

    /// Of the first and the second, mean over the seeds: images that only it has right. Under mean class accuracy an image
    /// counts by its class, and these are as many images of the mean class.
    pub fn alone(&self) -> [f64; 2] {
        let (first, second) = self.judged.difference.alone();
        [first, second].map(|share| share * self.judged.difference.images as f64)
    }
}

/// Over all seeds that both have; an arm with one seed is compared with all of the other's. `None` where they share no
/// image.
pub fn difference(a: &Entry, b: &Entry, runs: &[Run], question: &Question) -> Option<Difference> {
    let (first, second) = common_seeds(a, b, runs);
    let all: Vec<&Run> = first.iter().chain(&second).copied().collect();
    let (right, classes) = common(&all);
    let (of_first, of_second) = right.split_at(first.len());
    let apart = |(a, b): (&Vec<i8>, &Vec<i8>)| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<i8>>();
    let rows: Vec<Vec<i8>> = of_first.iter().zip(of_second).map(apart).collect();
    if classes.is_empty() { None } else { Difference::of(&rows, &question.aim.weights(classes)) }
}

/// As many runs of each, one opposite the other.
fn common_seeds<'r, 'a>(a: &Entry, b: &Entry, runs: &'r [Run<'a>]) -> (Vec<&'r Run<'a>>, Vec<&'r Run<'a>>) {
    let judged = |entry: &Entry| -> Vec<&'r Run<'a>> {
        entry.runs.iter().map(|&i| &runs[i]).filter(|run| !run.judged.is_empty()).collect()
    };
    let (of_a, of_b) = (judged(a), judged(b));
    match (&of_a[..], &of_b[..]) {
        ([one], [_, ..]) => (vec![*one; of_b.len()], of_b),
        ([_, ..], [one]) => {
            let opposite = vec![*one; of_a.len()];
            (of_a, opposite)
        }
        _ => {
            let same = |run: &&'r Run<'a>| Some((*run, *of_b.iter().find(|other| other.row.seed == run.row.seed)?));
            let both: Vec<_> = of_a.iter().filter_map(same).collect();
            let first = || of_a.first().copied().zip(of_b.first().copied()).into_iter().unzip();
            if both.is_empty() { first() } else { both.into_iter().unzip() }
        }
    }
}
