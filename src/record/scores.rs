//! The `scores` column of `predictions.csv`: one number a class in six significant digits, separated by spaces.
//! Six digits are what an `f32` can hold for certain, so nothing that was computed is lost, and files stay small.

use anyhow::{Result, anyhow};

/// Six significant digits without trailing zeros, as `0.5`, `-12.3457` or `1.5e-9`.
pub fn format_score(score: f32) -> String {
    let rounded: f64 = format!("{score:.5e}").parse().expect("a formatted number is a number");
    if rounded == 0.0 || (1e-4..1e6).contains(&rounded.abs()) { rounded.to_string() } else { format!("{rounded:e}") }
}

/// The column's text for the scores of one image, in label order.
pub fn format_scores(scores: &[f32]) -> String {
    scores.iter().map(|&score| format_score(score)).collect::<Vec<_>>().join(" ")
}

/// The scores of one image in label order; empty where the arm has none.
///
/// # Errors
/// A word that is not a number.
pub fn parse_scores(text: &str) -> Result<Vec<f32>> {
    let parse = |word: &str| word.parse().map_err(|_| anyhow!("scores: `{word}` is not a number"));
    text.split_whitespace().map(parse).collect()
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
        assert_eq!(format_scores(&[]), "");
    }

    #[test]
    fn refuses_what_is_no_number() {
        assert_eq!(parse_scores("0.5 many").unwrap_err().to_string(), "scores: `many` is not a number");
    }

    proptest! {
        #[test]
        fn survives_reading_and_writing(scores in prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::ZERO, 0..9)) {
            let read = parse_scores(&format_scores(&scores)).unwrap();
            prop_assert_eq!(read.len(), scores.len());
            for (read, score) in read.iter().zip(&scores) {
                prop_assert!((read - score).abs() <= 5.001e-6 * score.abs(), "{read} for {score}");
            }
            // Once rounded, another round changes nothing.
            prop_assert_eq!(parse_scores(&format_scores(&read)).unwrap(), read);
        }
    }
}
