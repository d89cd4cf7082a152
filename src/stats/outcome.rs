//! What may be said of two classifiers, and of many pairs at once: better, worse, equivalent within a margin, or
//! undecided. Over a table the p values are adjusted, so that all its statements together hold their level.

use super::compare::Difference;
use super::paired::holm;

/// What is meant by equivalent, and how sure a statement has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// A difference of accuracies that does not matter, such as 0.01.
    pub margin: f64,
    /// 0.95 for 95 %.
    pub level: f64,
}

/// Of the first against the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Better,
    Worse,
    /// Shown to lie within the margin.
    Equivalent,
    /// None of these is shown.
    Undecided,
}

/// A comparison and what may be said of it within its table.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    pub difference: Difference,
    pub outcome: Outcome,
    /// Two-sided, of no difference: by itself, and adjusted over the table.
    pub p: f64,
    pub p_adjusted: f64,
}

impl Default for Rule {
    /// One point, at 95 %.
    fn default() -> Rule {
        Rule { margin: 0.01, level: 0.95 }
    }
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Better => "better",
            Outcome::Worse => "worse",
            Outcome::Equivalent => "equivalent",
            Outcome::Undecided => "undecided",
        }
    }

    /// Of the second against the first.
    pub fn turned(self) -> Outcome {
        match self {
            Outcome::Better => Outcome::Worse,
            Outcome::Worse => Outcome::Better,
            same => same,
        }
    }
}

/// The p values of one comparison, of whatever kind.
#[derive(Debug, Clone, Copy)]
pub struct Tests {
    /// First minus second.
    pub mean: f64,
    /// Two-sided, of no difference.
    pub none: f64,
    /// Of a difference of at least the margin.
    pub apart: f64,
}

/// Judges all comparisons of a table together.
pub fn judge(differences: &[Difference], rule: Rule) -> Vec<Judged> {
    let tests = |difference: &Difference| Tests {
        mean: difference.mean(),
        none: difference.p_none(),
        apart: difference.p_apart(rule.margin),
    };
    let tests: Vec<Tests> = differences.iter().map(tests).collect();
    let outcomes = outcomes(&tests, rule);
    let judged = |((difference, tests), (outcome, p_adjusted)): ((&Difference, &Tests), (Outcome, f64))| Judged {
        difference: *difference,
        outcome,
        p: tests.none,
        p_adjusted,
    };
    differences.iter().zip(&tests).zip(outcomes).map(judged).collect()
}

/// What may be said of each comparison of a table, and its adjusted p of no difference: Holm's steps (1979) go over the
/// hypotheses of no difference, and once more over those of a difference that matters, so that in a table all that is
/// called better or worse, and all that is called equivalent, is wrong with probability 1 - level at most.
pub fn outcomes(tests: &[Tests], rule: Rule) -> Vec<(Outcome, f64)> {
    let adjusted = |p: fn(&Tests) -> f64| holm(&tests.iter().map(p).collect::<Vec<_>>());
    let (none, apart) = (adjusted(|tests| tests.none), adjusted(|tests| tests.apart));
    let alpha = 1.0 - rule.level;
    let outcome = |i: usize| match tests[i].mean {
        mean if none[i] < alpha && mean > 0.0 => Outcome::Better,
        _ if none[i] < alpha => Outcome::Worse,
        _ if apart[i] < alpha => Outcome::Equivalent,
        _ => Outcome::Undecided,
    };
    (0..tests.len()).map(|i| (outcome(i), none[i])).collect()
}

#[cfg(test)]
mod tests {
    use super::super::share::Weights;
    use super::*;

    fn difference(first: usize, second: usize, images: usize) -> Difference {
        let value = |i: usize| if i < first { 1 } else { -i8::from(i < first + second) };
        Difference::of(&[(0..images).map(value).collect()], &Weights::equal(images)).unwrap()
    }

    fn outcome(first: usize, second: usize, images: usize) -> Outcome {
        judge(&[difference(first, second, images)], Rule::default())[0].outcome
    }

    #[test]
    fn each_outcome_has_its_case() {
        assert_eq!(outcome(30, 5, 500), Outcome::Better);
        assert_eq!(outcome(5, 30, 500), Outcome::Worse);
        assert_eq!(outcome(4, 4, 2000), Outcome::Equivalent);
        assert_eq!(outcome(4, 4, 200), Outcome::Undecided);
        assert_eq!(outcome(0, 0, 50), Outcome::Undecided, "no disagreement among few images shows nothing");
        assert_eq!(outcome(0, 0, 500), Outcome::Equivalent);
    }

    #[test]
    fn a_table_asks_for_more_than_one_comparison() {
        let one = difference(14, 4, 500);
        assert_eq!(judge(&[one], Rule::default())[0].outcome, Outcome::Better);
        let ten = judge(&vec![one; 10], Rule::default());
        assert!(ten.iter().all(|judged| judged.outcome == Outcome::Undecided && judged.p < 0.05));
        assert!((ten[0].p_adjusted - (10.0 * ten[0].p).min(1.0)).abs() < 1e-12);
    }
}
