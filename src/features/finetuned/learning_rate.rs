//! Which learning rate a training is to have: range tests, the same training tried briefly at several rates, and
//! `lr = "auto"`, which takes what range tests suggest.

use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::finetune::range_test::{Curve, Flag, Loss, RangeTest, median};
use crate::finetune::schedule::{Constant, Schedule};
use crate::finetune::settings::{Keep, LearningRate, Settings};
use crate::finetune::trainer::{self, Diverged, VERSION};
use crate::stage::cache::Key;

use super::task::{checkpoint_of, resumed, with_task};
use crate::features::Resources;
use crate::features::fitted::Lessons;
use crate::features::network::Network;

/// Seeds of the range tests behind `lr = "auto"`, whatever the seed of the training: all seeds of an arm learn at one
/// rate, and one curve alone is too noisy.
const SEEDS: [u64; 3] = [0, 1, 2];

/// A range test that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RangeTested {
    pub curve: Curve,
    /// All of it, whenever it was made.
    pub seconds: f64,
}

/// How a brief training ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// `None` where it diverged.
    pub end: Option<End>,
    pub seconds: f64,
}

/// The last epoch of a brief training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct End {
    pub train_loss: f64,
    /// Selection images that were classified correctly.
    pub val_correct: Option<usize>,
}

/// The learning rate that `lr = "auto"` stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The middle one of the tests' *valley* suggestions, to two digits.
    pub rate: f64,
    /// Least and greatest of them.
    range: (f64, f64),
    /// What speaks against it, in any of the tests.
    flags: Vec<Flag>,
}

/// A range test of a training, with fresh weights of its own: nothing is changed by it.
pub fn range_test(
    settings: &Settings,
    resources: &Resources,
    lessons: &Lessons,
    (test, loss): (RangeTest, Loss),
) -> Result<RangeTested> {
    let frozen = Network::new(resources)?;
    // what a test does not depend on may change without another one
    let (schedule, lr, watch) = (Schedule::Constant(Constant::default()), LearningRate::Auto, false);
    let settings = &Settings { lr, schedule, watch, epochs: 1, keep: Keep::Last, patience: None, ..settings.clone() };
    with_task(settings, &frozen, resources, lessons, |task, identity| {
        let key = Key::new("lr-find", VERSION, &(identity.hash(), test, loss))?;
        resources.cache.get_or(&key, || {
            let start = Instant::now();
            let bar = resources.progress.bar("lr-find", test.steps * settings.batch);
            let curve = trainer::range_test(task, test, loss, &mut |images| bar.inc(images))?;
            Ok(RangeTested { curve, seconds: start.elapsed().as_secs_f64() })
        })
    })
}

/// Trains as the settings say and keeps nothing but how it ended; killed, it goes on like any training.
pub fn try_out(settings: &Settings, resources: &Resources, lessons: &Lessons) -> Result<Tried> {
    let frozen = Network::new(resources)?;
    with_task(settings, &frozen, resources, lessons, |task, identity| {
        let key = Key::new("lr-grid", VERSION, &identity.hash())?;
        resources.cache.get_or(&key, || {
            let start = Instant::now();
            let tried = resumed(task, resources, identity, |trained| {
                let seconds = trained.log.epochs.iter().map(|epoch| epoch.train_s + epoch.val_s).sum();
                let last = trained.log.epochs.last().context("a training has an epoch")?;
                let end = End { train_loss: last.train_loss, val_correct: last.val_correct };
                Ok(Tried { end: Some(end), seconds })
            });
            match tried {
                Err(error) if error.is::<Diverged>() => {
                    resources.cache.remove(&checkpoint_of(identity)?);
                    Ok(Tried { end: None, seconds: start.elapsed().as_secs_f64() })
                }
                tried => tried,
            }
        })
    })
}

/// The settings with a learning rate, and what it rests on where they leave it to range tests.
///
/// # Errors
/// A schedule that does not fit, before anything is tested; tests that suggest nothing.
pub fn settle(settings: &Settings, resources: &Resources, lessons: &Lessons) -> Result<(Settings, Option<Found>)> {
    if settings.lr != LearningRate::Auto {
        return Ok((settings.clone(), None));
    }
    let frozen = Network::new(resources)?;
    with_task(settings, &frozen, resources, lessons, |task, _| task.plan(1.0).map(drop).map_err(Into::into))?;
    let test = |seed| {
        let resources = Resources { seed, ..*resources };
        Ok(range_test(settings, &resources, lessons, (RangeTest::default(), Loss::Train))?.curve)
    };
    let curves = SEEDS.map(test).into_iter().collect::<Result<Vec<Curve>>>()?;
    let found = Found::of(&curves).context(
        "lr = \"auto\": no range test suggests a learning rate, the loss is no number almost from the beginning; \
         `featbench lr-find` shows the curves. State lr as a number",
    )?;
    resources.progress.say(&format!("  {}", found.sentence()));
    Ok((Settings { lr: found.rate.into(), ..settings.clone() }, Some(found)))
}

impl Found {
    fn of(curves: &[Curve]) -> Option<Found> {
        let rates: Vec<f64> = curves.iter().filter_map(|curve| curve.suggest().valley).collect();
        // two digits: nobody could tell the third from noise, and as a number in a file it gives the same training
        let rate = format!("{:.1e}", median(rates.iter().copied())?).parse().ok()?;
        let range = rates.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), &r| (low.min(r), high.max(r)));
        let flagged = |flag: &Flag| curves.iter().any(|curve| curve.flags().contains(flag));
        // that a curve diverges is how it should end
        let flags = [Flag::Flat, Flag::Noisy].into_iter().filter(flagged).collect();
        Some(Found { rate, range, flags })
    }

    fn flags(&self) -> String {
        self.flags.iter().map(Flag::name).collect::<Vec<_>>().join(",")
    }

    /// As settings are recorded: `lr=0.0012`, and what speaks against it.
    pub fn describe(&self) -> String {
        let flags = if self.flags.is_empty() { String::new() } else { format!(" range-test={}", self.flags()) };
        format!("lr={}{flags}", self.rate)
    }

    fn sentence(&self) -> String {
        let (low, high) = self.range;
        let warning = match self.flags() {
            flags if flags.is_empty() => String::new(),
            flags => format!("; warning: the curves are {flags}, look at them with `featbench lr-find`"),
        };
        format!("lr = \"auto\" takes {:.1e} (valley, from {low:.1e} to {high:.1e}){warning}", self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss that falls from `top` to `bottom` around a rate of 1e-3 and runs away above 1.
    fn curve(top: f64, bottom: f64, noise: f64) -> Curve {
        let mut curve = RangeTest::default().begin();
        while let Some(rate) = curve.next_rate() {
            let fallen = 1.0 / (1.0 + (-2.0 * (rate.log10() + 3.0)).exp());
            let sign = if curve.points().len() % 2 == 0 { noise } else { -noise };
            curve.add(top - (top - bottom) * fallen + sign + if rate > 1.0 { 50.0 * rate } else { 0.0 });
        }
        curve
    }

    #[test]
    fn the_middle_valley_is_taken_and_what_speaks_against_it_is_said() {
        let clear = curve(2.0, 0.2, 0.0);
        let found = Found::of(&[clear.clone(), clear.clone(), clear.clone()]).unwrap();
        assert!((1e-4..1e-1).contains(&found.rate), "{found:?}");
        assert_eq!(found.describe(), format!("lr={}", found.rate));
        assert!((found.rate / clear.suggest().valley.unwrap() - 1.0).abs() < 0.05, "two digits of it");
        let flat = Found::of(&[clear.clone(), curve(2.0, 1.99, 0.0), curve(2.0, 0.2, 0.9)]).unwrap();
        assert!(flat.describe().ends_with(" range-test=flat,noisy"), "{}", flat.describe());
        assert!(flat.sentence().contains("warning"));
        assert_eq!(Found::of(&[RangeTest::default().begin()]), None);
    }
}
