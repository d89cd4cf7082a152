//! Calibration: from scores to probabilities that hold, how well they do, and what an answer is right on when it may be
//! left out. One number, a temperature, is fitted to scores of images that the classifier has not seen (Platt 1999; Guo
//! et al. 2017): it turns margins and logits into probabilities and changes no answer.

use super::intervals::{Interval, Level, clopper_pearson};

/// Bins of equal mass of the expected calibration error.
pub const BINS: usize = 15;
/// Steps of Newton's method; one that would leave what is known becomes a halving.
const STEPS: usize = 60;
/// Relative change of the inverse temperature at which it is found.
const CLOSE: f64 = 1e-7;
/// The inverse temperature is looked for up to so many times, and down to so many parts, of one by the scores' spread.
const FAR: f64 = 1e4;
/// The least probability that a log loss reckons with, as scikit-learn's: one of 0 would cost infinitely much.
const LEAST: f64 = f64::EPSILON;

/// Logarithm of the sum of exp(score / temperature), without overflow; minus infinity of nothing.
pub fn log_sum_exp(scores: impl Iterator<Item = f64> + Clone, temperature: f64) -> f64 {
    let largest = scores.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return largest;
    }
    largest / temperature + scores.map(|score| ((score - largest) / temperature).exp()).sum::<f64>().ln()
}

/// The probability of each class: softmax(scores / temperature).
pub fn probabilities(scores: &[f32], temperature: f64) -> Vec<f64> {
    let scores = scores.iter().map(|&score| f64::from(score));
    let all = log_sum_exp(scores.clone(), temperature);
    scores.map(|score| (score / temperature - all).exp()).collect()
}

/// The temperature at which softmax(scores / temperature) costs these images the least cross-entropy. `rows` holds the
/// scores of each image, one a class, and its true class. As Platt's, targets are those of one image more that shows any
/// other class: (n + 1) / (n + 2) for the true class, so that images which are all right make no certainty. `None` where
/// there is nothing to fit: no image, or scores that are equal for every class.
pub fn temperature(rows: &[(Vec<f32>, usize)]) -> Option<f64> {
    // a class that no training image showed has minus infinity and can't be helped by any temperature
    let known: Vec<Known> = rows.iter().filter_map(|(scores, truth)| Known::of(scores, *truth)).collect();
    let spread = known.iter().map(|row| row.spread).sum::<f64>() / known.len() as f64;
    if !spread.is_finite() || spread <= 0.0 {
        return None;
    }
    let n = known.len() as f64;
    let slope = |beta: f64| {
        known.iter().map(|row| row.slope(beta, n)).fold((0.0, 0.0), |(first, second), (a, b)| (first + a, second + b))
    };
    // the loss is convex in the inverse temperature: its slope has one zero
    let (mut low, mut high) = (1.0 / (FAR * spread), FAR / spread);
    let mut beta = 1.0 / spread;
    for _ in 0..STEPS {
        let (first, second) = slope(beta);
        if first > 0.0 {
            high = beta
        } else {
            low = beta
        }
        let newton = beta - first / second;
        let next = if newton > low && newton < high { newton } else { (low * high).sqrt() };
        let close = (next - beta).abs() <= CLOSE * beta;
        beta = next;
        if close {
            break;
        }
    }
    Some(1.0 / beta)
}

/// The scores of one image, less the largest, of the classes that have one.
struct Known {
    scores: Vec<f64>,
    /// Of the true class.
    truth: f64,
    /// Of all others together.
    others: f64,
    /// Largest less smallest.
    spread: f64,
}

impl Known {
    /// `None` where the true class has no score, or no other has.
    fn of(scores: &[f32], truth: usize) -> Option<Known> {
        let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let less = |score: f32| f64::from(score) - f64::from(largest);
        let truth = scores.get(truth).filter(|score| score.is_finite()).map(|&score| less(score))?;
        let scores: Vec<f64> = scores.iter().filter(|score| score.is_finite()).map(|&score| less(score)).collect();
        let others = scores.iter().sum::<f64>() - truth;
        let spread = -scores.iter().copied().fold(0.0, f64::min);
        (scores.len() > 1).then_some(Known { scores, truth, others, spread })
    }

    /// First and second derivative of the loss by the inverse temperature.
    fn slope(&self, beta: f64, n: f64) -> (f64, f64) {
        let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
        for &score in &self.scores {
            let weight = (beta * score).exp();
            sum += weight;
            first += weight * score;
            second += weight * score * score;
        }
        let mean = first / sum;
        let wanted = (n + 1.0) / (n + 2.0) * self.truth + self.others / ((n + 2.0) * (self.scores.len() as f64 - 1.0));
        (mean - wanted, second / sum - mean * mean)
    }
}

/// One image with the probability of its answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Of the predicted class.
    pub confidence: f64,
    pub right: bool,
}

/// Images of like confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    pub images: f64,
    /// Mean.
    pub confidence: f64,
    /// Share that is right.
    pub right: f64,
}

/// Answers from the least sure to the surest, in at most `bins` bins of as many images each as can be. Of equally sure
/// images none comes before another: each counts as right by the share of them that is.
pub fn bins(answers: &[Answer], bins: usize) -> Vec<Bin> {
    let sorted = sorted(answers);
    let (n, bins) = (sorted.len(), bins.min(sorted.len()));
    let mut values: Vec<(f64, f64)> = Vec::with_capacity(n);
    for equal in sorted.chunk_by(|a, b| a.confidence == b.confidence) {
        let right = equal.iter().filter(|answer| answer.right).count() as f64 / equal.len() as f64;
        values.extend(equal.iter().map(|answer| (answer.confidence, right)));
    }
    let bin = |i: usize| {
        let of_bin = &values[i * n / bins..(i + 1) * n / bins];
        let images = of_bin.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| of_bin.iter().map(of).sum::<f64>() / images;
        Bin { images, confidence: mean(|v| v.0), right: mean(|v| v.1) }
    };
    (0..bins).map(bin).collect()
}

/// Expected calibration error: the mean, over images, of how far the share of right answers of their bin is from its mean
/// confidence, in [`BINS`] bins of equal mass (Nixon et al. 2019). Of few images it is above 0 by chance alone. `None`
/// without images.
pub fn expected_error(answers: &[Answer]) -> Option<f64> {
    let n = answers.len() as f64;
    let apart = |bin: &Bin| bin.images / n * (bin.right - bin.confidence).abs();
    (!answers.is_empty()).then(|| bins(answers, BINS).iter().map(apart).sum())
}

/// Mean of minus the logarithm of the true class's probability, natural; from logarithms of probabilities.
pub fn log_loss(log_probabilities: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let n = log_probabilities.len() as f64;
    (n > 0.0).then(|| log_probabilities.map(|log| -log.max(LEAST.ln())).sum::<f64>() / n)
}

/// The least confidence from which on `target` of the answers are right, so that as many as can be are given; `None`
/// where no such one is, not even the surest answers alone.
pub fn threshold(answers: &[Answer], target: f64) -> Option<f64> {
    let mut sorted = sorted(answers);
    sorted.reverse();
    let (mut given, mut right, mut found) = (0, 0, None);
    for equal in sorted.chunk_by(|a, b| a.confidence == b.confidence) {
        given += equal.len();
        right += equal.iter().filter(|answer| answer.right).count();
        if right as f64 >= target * given as f64 {
            found = Some(equal[0].confidence);
        }
    }
    found
}

fn sorted(answers: &[Answer]) -> Vec<Answer> {
    let mut sorted = answers.to_vec();
    sorted.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
    sorted
}

/// What is answered from some confidence on, and what of that is right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Selective {
    pub images: usize,
    pub given: usize,
    pub right: usize,
}

impl Selective {
    pub fn of(answers: &[Answer], threshold: f64) -> Selective {
        let given = || answers.iter().filter(|answer| answer.confidence >= threshold);
        Selective {
            images: answers.len(),
            given: given().count(),
            right: given().filter(|answer| answer.right).count(),
        }
    }

    /// Share of the images that are answered.
    pub fn coverage(&self) -> Option<f64> {
        (self.images > 0).then(|| self.given as f64 / self.images as f64)
    }

    /// Share of the answers that are right; `None` where none is given.
    pub fn accuracy(&self) -> Option<f64> {
        (self.given > 0).then(|| self.right as f64 / self.given as f64)
    }

    /// 95 % interval of [`coverage`](Selective::coverage).
    pub fn coverage_interval(&self) -> Interval {
        clopper_pearson(self.given as u64, self.images as u64, Level::PERCENT_95)
    }

    /// 95 % interval of [`accuracy`](Selective::accuracy): the exact one of a count, for the threshold was chosen on
    /// other images, and given how many are answered these are drawn as the others.
    pub fn accuracy_interval(&self) -> Interval {
        clopper_pearson(self.right as u64, self.given as u64, Level::PERCENT_95)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answers(of: &[(f64, bool)]) -> Vec<Answer> {
        of.iter().map(|&(confidence, right)| Answer { confidence, right }).collect()
    }

    /// Rows whose classes are drawn with probability softmax(logits), and those logits times `factor`.
    fn drawn(n: usize, classes: usize, factor: f32) -> Vec<(Vec<f32>, usize)> {
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let row = |_| {
            let logits: Vec<f32> = (0..classes).map(|_| 6.0 * uniform() as f32).collect();
            let mut left = uniform();
            let truth = probabilities(&logits, 1.0).iter().position(|p| {
                left -= p;
                left < 0.0
            });
            (logits.iter().map(|logit| factor * logit).collect(), truth.unwrap_or(0))
        };
        (0..n).map(row).collect()
    }

    #[test]
    fn the_temperature_of_scaled_logits_is_their_factor() {
        for factor in [0.02, 1.0, 70.0] {
            let found = temperature(&drawn(20_000, 4, factor)).unwrap() / f64::from(factor);
            assert!((found - 1.0).abs() < 0.03, "{factor}: {found}");
        }
    }

    /// SciPy 1.17.1's `minimize_scalar` on the same loss gives 1.1711447.
    #[test]
    fn a_small_case_has_the_loss_at_its_least() {
        let rows =
            [(vec![2.0, 1.0, 0.0], 0), (vec![0.5, 1.5, 0.0], 1), (vec![0.0, 2.0, 1.0], 2), (vec![3.0, 0.0, 0.5], 0)];
        assert!((temperature(&rows).unwrap() - 1.171_144_7).abs() < 1e-6);
    }

    #[test]
    fn images_that_are_all_right_make_no_certainty_and_nothing_has_no_temperature() {
        let right: Vec<_> =
            (0..100).map(|i| if i % 2 == 0 { (vec![1.0, -1.0], 0) } else { (vec![-1.0, 1.0], 1) }).collect();
        let p = probabilities(&right[0].0, temperature(&right).unwrap())[0];
        assert!((p - 101.0 / 102.0).abs() < 1e-6, "{p}");
        assert_eq!(temperature(&[]), None);
        assert_eq!(temperature(&[(vec![1.0, 1.0], 0)]), None);
        let absent = (vec![f32::NEG_INFINITY, 0.0, 1.0], 0);
        assert_eq!(temperature(std::slice::from_ref(&absent)), None, "no temperature helps it");
        let with = [right.clone(), vec![absent]].concat();
        assert!(temperature(&with).unwrap().is_finite());
    }

    #[test]
    fn the_expected_error_is_what_a_hand_computes() {
        // two bins of 15 would hold one image each of these 15: |right - confidence|, meaned
        let few = answers(&[(0.9, true), (0.6, false), (0.8, true)]);
        assert!((expected_error(&few).unwrap() - (0.1 + 0.6 + 0.2) / 3.0).abs() < 1e-12);
        // thirty images, two a bin: 0.5 and 1 right at 0.75 and 0.9
        let many: Vec<_> = (0..30).map(|i| (if i < 16 { 0.75 } else { 0.9 }, i >= 16 || i % 2 == 0)).collect();
        let expected = (16.0 * 0.25 + 14.0 * 0.1) / 30.0;
        assert!((expected_error(&answers(&many)).unwrap() - expected).abs() < 1e-12);
        assert_eq!(expected_error(&[]), None);
    }

    #[test]
    fn equally_sure_images_have_no_order() {
        let one_way: Vec<_> = (0..60).map(|i| (0.5, i < 30)).collect();
        assert!(expected_error(&answers(&one_way)).unwrap() < 1e-12, "half of them are right at 0.5");
    }

    #[test]
    fn log_loss_is_the_mean_and_never_infinite() {
        let logs = [0.5f64.ln(), 0.25f64.ln()];
        let loss = log_loss(logs.iter().copied()).unwrap();
        assert!((loss - (2f64.ln() + 4f64.ln()) / 2.0).abs() < 1e-12);
        assert!((log_loss([f64::NEG_INFINITY].into_iter()).unwrap() - 36.043_653).abs() < 1e-5);
        assert_eq!(log_loss([].into_iter()), None);
    }

    #[test]
    fn a_threshold_leaves_as_many_answers_as_it_can() {
        let all = answers(&[(0.9, true), (0.8, false), (0.7, true), (0.6, true), (0.5, false), (0.4, false)]);
        assert_eq!(threshold(&all, 0.75), Some(0.6), "three of four are right");
        assert_eq!(threshold(&all, 1.0), Some(0.9));
        assert_eq!(threshold(&all, 0.5), Some(0.4));
        assert_eq!(threshold(&answers(&[(0.9, false)]), 0.5), None);
        assert_eq!(threshold(&answers(&[(0.9, false), (0.9, true)]), 0.9), None, "equally sure ones go together");
        let found = Selective::of(&all, 0.6);
        assert_eq!(found, Selective { images: 6, given: 4, right: 3 });
        assert_eq!((found.coverage(), found.accuracy()), (Some(4.0 / 6.0), Some(0.75)));
        assert_eq!(Selective::of(&all, 1.0).accuracy(), None);
    }

    proptest! {
        #[test]
        fn probabilities_add_up_and_keep_the_order(scores in prop::collection::vec(-1e6f32..1e6, 2..40), t in 1e-3f64..1e5) {
            let p = probabilities(&scores, t);
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            for i in 1..p.len() {
                prop_assert!(scores[i] <= scores[i - 1] || p[i] >= p[i - 1]);
            }
        }

        #[test]
        fn bins_hold_every_image_once(n in 0usize..200, levels in 1usize..50) {
            let all: Vec<Answer> = (0..n)
                .map(|i| Answer { confidence: (i * 37 % levels) as f64 / levels as f64, right: i * 13 % 7 < 4 })
                .collect();
            let bins = bins(&all, BINS);
            prop_assert!((bins.iter().map(|bin| bin.images).sum::<f64>() - n as f64).abs() < 1e-9);
            let right: f64 = bins.iter().map(|bin| bin.images * bin.right).sum();
            prop_assert!((right - all.iter().filter(|a| a.right).count() as f64).abs() < 1e-6);
        }
    }
}
