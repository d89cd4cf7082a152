//! The `scores` column of `predictions.csv`: numbers in six significant digits, separated by spaces, one a class or,
//! of many classes, the best.
//! Six digits are what an `f32` can hold for certain, so nothing that was computed is lost, and files stay small.

/// Six significant digits without trailing zeros, as `0.5`, `-12.3457` or `1.5e-9`.
pub fn format_score(score: f32) -> String {
    let rounded: f64 = format!("{score:.5e}").parse().expect("a formatted number is a number");
    if rounded == 0.0 || (1e-4..1e6).contains(&rounded.abs()) { rounded.to_string() } else { format!("{rounded:e}") }
}

/// Up to so many classes each score is kept.
pub const KEPT: usize = 20;
/// Of more classes so many scores are kept, the largest.
const BEST: usize = 5;
const TRUTH: &str = "truth";
const LOG_SUM_EXP: &str = "lse";
const CALIBRATED: &str = "calibrated";

/// The column's text for the scores of one image, in label order. Of more than [`KEPT`] classes the five largest are
/// kept as `CLASS:SCORE`, then the score of the true class as `truth:SCORE` and the logarithm of the sum of the
/// exponentials of all as `lse:VALUE`, with a temperature also that of scores / temperature as `calibrated:VALUE`: with
/// them log loss and calibration can still be computed.
pub fn format_scores(scores: &[f32], truth: usize, temperature: Option<f64>) -> String {
    if scores.len() <= KEPT {
        return scores.iter().map(|&score| format_score(score)).collect::<Vec<_>>().join(" ");
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let larger_first = |&a: &usize, &b: &usize| scores[b].total_cmp(&scores[a]).then(a.cmp(&b));
    order.select_nth_unstable_by(BEST, larger_first);
    order.truncate(BEST);
    order.sort_by(larger_first);
    let best = order.into_iter().map(|class| format!("{class}:{}", format_score(scores[class])));
    let truth = format!("{TRUTH}:{}", format_score(scores[truth]));
    let wide = || scores.iter().map(|&score| f64::from(score));
    let all = format!("{LOG_SUM_EXP}:{}", format_score(log_sum_exp(wide(), 1.0) as f32));
    let calibrated = temperature
        .map(|temperature| format!("{CALIBRATED}:{}", format_score(log_sum_exp(wide(), temperature) as f32)));
    best.chain([truth, all]).chain(calibrated).collect::<Vec<_>>().join(" ")
}

/// ln(sum of exp(score / temperature)), without overflow.
fn log_sum_exp(scores: impl Iterator<Item = f64> + Clone, temperature: f64) -> f64 {
    let largest = scores.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return largest;
    }
    largest / temperature + scores.map(|score| ((score - largest) / temperature).exp()).sum::<f64>().ln()
}

/// The scores of one image as they are recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Scores {
    /// One a class, in label order; none where the arm has none.
    All(Vec<f64>),
    /// The largest with their classes, that of the true class, and the logarithm of the sum of all exponentials; where
    /// there is a temperature, also that of scores / temperature.
    Best { best: Vec<(usize, f64)>, truth: f64, log_sum_exp: f64, calibrated: Option<f64> },
}

impl Scores {
    /// Reads the column's text; `None` where it is no such text.
    pub fn parse(text: &str) -> Option<Scores> {
        if !text.contains(':') {
            let scores: Result<_, _> = text.split_whitespace().map(str::parse).collect();
            return scores.ok().map(Scores::All);
        }
        let (mut best, mut truth, mut log_sum_exp, mut calibrated) = (Vec::new(), None, None, None);
        for word in text.split_whitespace() {
            let (name, score) = word.split_once(':')?;
            let score: f64 = score.parse().ok()?;
            match name {
                TRUTH => truth = Some(score),
                LOG_SUM_EXP => log_sum_exp = Some(score),
                CALIBRATED => calibrated = Some(score),
                class => best.push((class.parse().ok()?, score)),
            }
        }
        Some(Scores::Best { best, truth: truth?, log_sum_exp: log_sum_exp?, calibrated })
    }

    /// ln(sum of exp(score / temperature)) over all classes, where it is known: a score / temperature less this is the
    /// logarithm of a probability. The temperature is that of the run.
    pub fn calibrated(&self, temperature: f64) -> Option<f64> {
        match self {
            Scores::All(scores) if scores.is_empty() => None,
            Scores::All(scores) => Some(log_sum_exp(scores.iter().copied(), temperature)),
            Scores::Best { calibrated, .. } => *calibrated,
        }
    }

    /// The score of a class, where it was kept.
    pub fn of(&self, class: usize) -> Option<f64> {
        match self {
            Scores::All(scores) => scores.get(class).copied(),
            Scores::Best { best, .. } => best.iter().find(|(other, _)| *other == class).map(|&(_, score)| score),
        }
    }

    /// The score of the true class, where there are scores.
    pub fn of_truth(&self, truth: usize) -> Option<f64> {
        match self {
            Scores::All(scores) => scores.get(truth).copied(),
            Scores::Best { truth, .. } => Some(*truth),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_six_significant_digits_and_no_more_than_needed() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-0.5, "-0.5"),
            (0.123_456_79, "0.123457"),
            (-12.345_678, "-12.3457"),
            (999_999.5, "1e6"),
            (1.5e-9, "1.5e-9"),
            (f32::NEG_INFINITY, "-inf"),
        ];
        for (score, text) in cases {
            assert_eq!(format_score(score), text);
        }
        assert_eq!(format_scores(&[], 0, None), "");
        assert_eq!(Scores::parse(""), Some(Scores::All(Vec::new())));
    }

    #[test]
    fn of_many_classes_the_best_the_true_one_and_the_sum_are_kept() {
        let mut scores = [0.0; KEPT + 1];
        (scores[20], scores[3], scores[7], scores[0]) = (2.0, 1.0, 1.0, -4.0);
        let text = format_scores(&scores, 0, None);
        // ln(e^2 + 2 e + e^-4 + 17)
        assert_eq!(text, "20:2 3:1 7:1 1:0 2:0 truth:-4 lse:3.39598");
        let read = Scores::parse(&text).unwrap();
        assert_eq!((read.of(20), read.of(7), read.of(12), read.of_truth(0)), (Some(2.0), Some(1.0), None, Some(-4.0)));
        assert_eq!(format_scores(&scores[..KEPT], 0, Some(2.0)).split(' ').count(), KEPT, "as many as ever");
        let huge = [3.0e38; 30];
        assert!(format_scores(&huge, 1, None).ends_with("truth:3e38 lse:3e38"), "nothing overflows");
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in ["0.5 many", "1:2", "1:2 truth:0", "1:2 truth:x lse:0", "a:2 truth:0 lse:0", "1:2 3 truth:0 lse:0"]
        {
            assert_eq!(Scores::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn survives_reading_and_writing(scores in prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::ZERO, 0..9)) {
            let Some(Scores::All(read)) = Scores::parse(&format_scores(&scores, 0, None)) else { panic!("all are kept") };
            prop_assert_eq!(read.len(), scores.len());
            for (&read, &score) in read.iter().zip(&scores) {
                let score = f64::from(score);
                prop_assert!((read - score).abs() <= 5.001e-6 * score.abs(), "{read} for {score}");
            }
            // Once rounded, another round changes nothing.
            let rounded: Vec<f32> = read.iter().map(|&score| score as f32).collect();
            prop_assert_eq!(format_scores(&rounded, 0, None), format_scores(&scores, 0, None));
        }

        #[test]
        fn log_loss_can_be_computed_from_what_is_kept(
            scores in prop::collection::vec(-30.0f32..30.0, KEPT + 1..60),
            truth in 0..KEPT,
        ) {
            let text = format_scores(&scores, truth, Some(3.0));
            let Some(Scores::Best { best, truth: score, log_sum_exp, calibrated }) = Scores::parse(&text)
            else { panic!("the best are kept") };
            let cooler: f64 = scores.iter().map(|&score| f64::from(score / 3.0).exp()).sum();
            prop_assert!((calibrated.unwrap() - cooler.ln()).abs() < 1e-3);
            let sum: f64 = scores.iter().map(|&score| f64::from(score).exp()).sum();
            let loss = sum.ln() - f64::from(scores[truth]);
            prop_assert!((log_sum_exp - score - loss).abs() < 1e-3);
            prop_assert!(best.windows(2).all(|pair| pair[0].1 >= pair[1].1));
            let largest = scores.iter().copied().fold(f32::MIN, f32::max);
            prop_assert!((best[0].1 - f64::from(largest)).abs() < 1e-3);
        }
    }
}
