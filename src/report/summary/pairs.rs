//! Arms compared two by two on the images that both judged, by the exact McNemar test (Dietterich 1998 on why not
//! by a difference of proportions): only the images that exactly one of the two got right count.

use std::collections::HashMap;

use crate::stats::paired::{holm, mcnemar};

use super::run::Run;
use super::{Entry, Verdict};

/// Below it two arms are told apart.
pub const SIGNIFICANT: f64 = 0.05;

/// Two entries on the same images.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Indices of the entries.
    pub a: usize,
    pub b: usize,
    /// Images that both judged.
    pub n: usize,
    /// Images that only the first, or only the second, got right.
    pub only_a: usize,
    pub only_b: usize,
    /// Exact, two-sided.
    pub p: f64,
    /// Adjusted by Holm over the pairs of the same column.
    pub p_holm: f64,
}

impl Pair {
    /// The test of two entries, each by its first judged seed (a common one where there is one); `None` where they share no image.
    pub fn of(a: usize, b: usize, entries: &[Entry], runs: &[Run]) -> Option<Pair> {
        let (run_a, run_b) = common_seed(&entries[a], &entries[b], runs)?;
        let right_a: HashMap<&str, bool> = run_a.judged.iter().map(|j| (j.image, j.right())).collect();
        let (mut n, mut only_a, mut only_b) = (0, 0, 0);
        for judged in &run_b.judged {
            let Some(&a) = right_a.get(judged.image) else { continue };
            let b = judged.right();
            n += 1;
            only_a += usize::from(a && !b);
            only_b += usize::from(b && !a);
        }
        let p = mcnemar(only_a as u64, only_b as u64).exact_p;
        (n > 0).then_some(Pair { a, b, n, only_a, only_b, p, p_holm: p })
    }

    /// Every pair of the entries given, adjusted by Holm.
    pub fn all(column: &[usize], entries: &[Entry], runs: &[Run]) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for (at, &a) in column.iter().enumerate() {
            pairs.extend(column[at + 1..].iter().filter_map(|&b| Pair::of(a, b, entries, runs)));
        }
        let p: Vec<f64> = pairs.iter().map(|pair| pair.p).collect();
        for (pair, adjusted) in pairs.iter_mut().zip(holm(&p)) {
            pair.p_holm = adjusted;
        }
        pairs
    }

    /// Does the first arm lie above, level with or below the second?
    pub fn verdict(&self) -> Verdict {
        match self.only_a.cmp(&self.only_b) {
            _ if self.p >= SIGNIFICANT => Verdict::Undecided,
            std::cmp::Ordering::Less => Verdict::Below,
            _ => Verdict::Above,
        }
    }
}

fn common_seed<'r, 'a>(a: &Entry, b: &Entry, runs: &'r [Run<'a>]) -> Option<(&'r Run<'a>, &'r Run<'a>)> {
    let judged = |entry: &Entry| -> Vec<&'r Run<'a>> {
        entry.runs.iter().map(|&i| &runs[i]).filter(|run| !run.judged.is_empty()).collect()
    };
    let (of_a, of_b) = (judged(a), judged(b));
    let same = of_a.iter().find_map(|a| Some((*a, *of_b.iter().find(|b| b.row.seed == a.row.seed)?)));
    same.or_else(|| Some((*of_a.first()?, *of_b.first()?)))
}
