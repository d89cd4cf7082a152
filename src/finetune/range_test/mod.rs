//! The learning-rate range test (Smith 2015): the loss while the learning rate rises from far too small to far too large.
//! A curve is smoothed while it is recorded, and ends where the smoothed loss has risen far above its lowest.

mod suggest;

use serde::{Deserialize, Serialize};

/// How losses are smoothed, and when the test ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Smoothing {
    /// fastai 2.8: an exponential average of weight 0.98 that is corrected for its start at 0; ends above 4 times the
    /// lowest.
    #[default]
    Fastai,
    /// torch-lr-finder 0.2: an exponential average of weight 0.95 that starts at the first loss; ends above 5 times the
    /// lowest.
    TorchLrFinder,
}

/// How the learning rate rises from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    /// By the same factor.
    #[default]
    Exponential,
    /// By the same amount.
    Linear,
}

/// Whose loss is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Of the mini-batch of each step, before its update.
    #[default]
    Train,
    /// Of all selection images after each step.
    Val,
}

/// A range of learning rates and the number of steps through it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RangeTest {
    pub start: f64,
    pub end: f64,
    pub steps: usize,
    pub growth: Growth,
    pub smoothing: Smoothing,
}

/// What is known after each step of a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub learning_rate: f64,
    pub loss: f64,
    pub smoothed: f64,
}

/// A test on its way, or over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    test: RangeTest,
    points: Vec<Point>,
    average: f64,
    lowest: f64,
    diverged: bool,
}

/// A learning rate to take, by several rules. `None` where a rule has nothing to say: too few points, or losses that are
/// no numbers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Suggestions {
    /// A tenth of the rate of the lowest loss.
    pub minimum: Option<f64>,
    /// Where the loss falls fastest, by the logarithm of the rate.
    pub steep: Option<f64>,
    /// In the middle of the longest valley.
    pub valley: Option<f64>,
    /// From the right, the first stretch over which the slope hardly changes.
    pub slide: Option<f64>,
    /// torch-lr-finder's: where the loss falls fastest, by the step.
    pub steepest_step: Option<f64>,
}

/// What keeps a curve's suggestions from being believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// The smoothed loss never falls by a twentieth of what it starts with.
    Flat,
    /// The noise of single losses is more than a fifth of what the smoothed loss falls.
    Noisy,
    /// It ended early. As long as that was at the right end, this is how a range test should end.
    Diverged,
}

impl Flag {
    pub fn name(&self) -> &'static str {
        match self {
            Flag::Flat => "flat",
            Flag::Noisy => "noisy",
            Flag::Diverged => "diverged",
        }
    }
}

/// What counts as flat, and as noisy.
const FLAT: f64 = 0.05;
const NOISY: f64 = 0.2;

/// The middle one of several suggestions, of an even number the lower; `None` of none.
pub fn median(rates: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut rates: Vec<f64> = rates.into_iter().collect();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len().saturating_sub(1) / 2).copied()
}

impl Default for RangeTest {
    /// fastai's.
    fn default() -> RangeTest {
        let (growth, smoothing) = (Growth::Exponential, Smoothing::Fastai);
        RangeTest { start: 1e-7, end: 10.0, steps: 100, growth, smoothing }
    }
}

impl RangeTest {
    /// The learning rate of step `i`, from 0. fastai never reaches the end, torch-lr-finder does.
    pub fn rate(&self, i: usize) -> f64 {
        let last = match self.smoothing {
            Smoothing::Fastai => self.steps,
            Smoothing::TorchLrFinder => self.steps - 1,
        };
        let position = i as f64 / last.max(1) as f64;
        match self.growth {
            Growth::Exponential => self.start * (self.end / self.start).powf(position),
            Growth::Linear => self.start + (self.end - self.start) * position,
        }
    }

    /// A curve without a point.
    pub fn begin(self) -> Curve {
        Curve { test: self, points: Vec::new(), average: 0.0, lowest: f64::INFINITY, diverged: false }
    }
}

impl Curve {
    /// The rate of the next step; `None` when the test is over.
    pub fn next_rate(&self) -> Option<f64> {
        let i = self.points.len();
        (i < self.test.steps && !self.diverged).then(|| self.test.rate(i))
    }

    /// Adds the loss of the step that was taken at [`next_rate`](Curve::next_rate).
    pub fn add(&mut self, loss: f64) {
        let (i, learning_rate) = (self.points.len(), self.test.rate(self.points.len()));
        let (smoothed, limit) = match self.test.smoothing {
            Smoothing::Fastai => {
                self.average = 0.98 * self.average + 0.02 * loss;
                (self.average / (1.0 - 0.98_f64.powi(i as i32 + 1)), 4.0)
            }
            Smoothing::TorchLrFinder => {
                self.average = if i == 0 { loss } else { 0.05 * loss + 0.95 * self.average };
                (self.average, 5.0)
            }
        };
        if smoothed < self.lowest || (i == 0 && self.test.smoothing == Smoothing::TorchLrFinder) {
            self.lowest = smoothed;
        }
        self.diverged = smoothed > limit * self.lowest;
        self.points.push(Point { learning_rate, loss, smoothed });
    }

    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Did it end early, because the loss had grown too large?
    pub fn diverged(&self) -> bool {
        self.diverged
    }

    /// What speaks against it.
    pub fn flags(&self) -> Vec<Flag> {
        let finite: Vec<&Point> = self.points.iter().filter(|point| point.smoothed.is_finite()).collect();
        let Some(first) = finite.first() else { return vec![Flag::Diverged] };
        let fall = first.smoothed - finite.iter().fold(f64::INFINITY, |least, point| least.min(point.smoothed));
        // only up to the lowest point: behind it the loss is meant to run away
        let falling: Vec<f64> =
            finite.iter().take_while(|p| first.smoothed - p.smoothed < fall).map(|p| p.loss).collect();
        // second differences of a smooth curve are small, those of noise have six times its variance
        let bends = falling.windows(3).map(|l| (l[0] - 2.0 * l[1] + l[2]).powi(2));
        let noise = (bends.sum::<f64>() / 6.0 / falling.len().max(1) as f64).sqrt();
        let diverged = self.diverged || finite.len() < self.points.len();
        let flags = [
            (fall < FLAT * first.smoothed, Flag::Flat),
            (noise > NOISY * fall, Flag::Noisy),
            (diverged, Flag::Diverged),
        ];
        flags.into_iter().filter_map(|(holds, flag)| holds.then_some(flag)).collect()
    }

    /// Suggestions by fastai's rules on what lies between the first tenth of the steps and the last five points, cut at
    /// the first loss that is no number, and by torch-lr-finder's without the first ten points and the last five.
    pub fn suggest(&self) -> Suggestions {
        suggest::all(&self.points, self.test.steps)
    }

    /// torch-lr-finder's suggestion without the first and the last points.
    pub fn steepest_step(&self, skip_start: usize, skip_end: usize) -> Option<f64> {
        suggest::steepest_step(&self.points, skip_start, skip_end)
    }
}
