//! A grid of brief trainings: what one would do without a range test, and what it is to be judged by.

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::dataset::Dataset;
use crate::finetune::range_test::median;
use crate::measure::plan::Planned;
use crate::measure::range_test;
use crate::measure::session::Session;

/// Two a decade.
pub const RATES: &str = "1e-4,3e-4,1e-3,3e-3,1e-2,3e-2,1e-1,3e-1,1";

/// Relative to the best, how much more training loss counts as equally good where there is no val.
const AS_LOW: f64 = 0.05;

/// The same training at several rates, over the same seeds as the range test.
#[derive(Debug, Serialize)]
pub struct Grid {
    pub epochs: usize,
    /// By rising rate.
    pub rates: Vec<AtRate>,
    /// Lowest and highest rate of those as good as the best; `None` where every training diverged.
    pub good: Option<(f64, f64)>,
    pub seconds: f64,
}

/// The trainings at one rate.
#[derive(Debug, Clone, Serialize)]
pub struct AtRate {
    pub learning_rate: f64,
    /// Shares of the selection images that were classified correctly, by seed; `None` where it diverged, or without val.
    pub val_accuracy: Vec<Option<f64>>,
    /// Of the last epoch; `None` where it diverged.
    pub train_loss: Vec<Option<f64>>,
}

/// Where a rate lies beside the good ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Below,
    Among,
    Above,
}

/// Sorts the rates of a grid.
pub fn check(rates: &mut Vec<f64>) -> Result<()> {
    ensure!(
        rates.iter().all(|rate| rate.is_finite() && *rate > 0.0),
        "--grid {rates:?}: learning rates must be above 0"
    );
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    Ok(())
}

impl Grid {
    pub fn of(
        session: &Session,
        dataset: &Dataset,
        same: &[Planned],
        rates: &[f64],
        epochs: Option<u32>,
    ) -> Result<Grid> {
        let own = same[0].arm.training().map_or(1, |training| training.epochs);
        let epochs = epochs.map_or(own.div_ceil(4), |epochs| epochs as usize);
        let (val, mut seconds) = (dataset.splits.val.len(), 0.0);
        let mut at_rate = |&learning_rate: &f64| {
            session.progress.say(&format!("{}: {epochs} epochs at {learning_rate:.1e}", dataset.name));
            let (mut val_accuracy, mut train_loss) = (Vec::new(), Vec::new());
            for planned in same {
                let resources = session.resources(planned);
                let tried = range_test::try_out(planned, dataset, &resources, learning_rate, epochs)?;
                seconds += tried.seconds;
                let correct = tried.end.and_then(|end| end.val_correct);
                val_accuracy.push(correct.map(|correct| correct as f64 / val as f64));
                train_loss.push(tried.end.map(|end| end.train_loss));
            }
            Ok(AtRate { learning_rate, val_accuracy, train_loss })
        };
        let rates = rates.iter().map(&mut at_rate).collect::<Result<Vec<_>>>()?;
        Ok(Grid { epochs, good: good(&rates, val), rates, seconds })
    }

    pub fn judges_by_val(&self) -> bool {
        self.rates.iter().any(|at| at.val_accuracy.iter().any(Option::is_some))
    }

    /// Where a rate lies; a good rate reaches half way, in logarithms, to the next one of the grid.
    pub fn place(&self, rate: f64) -> Option<Place> {
        let (low, high) = self.good?;
        let rates: Vec<f64> = self.rates.iter().map(|at| at.learning_rate).collect();
        let below = rates.iter().rev().find(|&&rate| rate < low).map_or(low, |below| (below * low).sqrt());
        let above = rates.iter().find(|&&rate| rate > high).map_or(high, |above| (above * high).sqrt());
        Some(match rate {
            rate if rate < below => Place::Below,
            rate if rate > above => Place::Above,
            _ => Place::Among,
        })
    }
}

impl AtRate {
    /// Over the seeds; `None` where one of them diverged: nobody would take that rate.
    pub fn mean(of_seeds: &[Option<f64>]) -> Option<f64> {
        let values: Option<Vec<f64>> = of_seeds.iter().copied().collect();
        values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>() / values.len() as f64)
    }

    pub fn diverged(&self) -> usize {
        self.train_loss.iter().filter(|loss| loss.is_none()).count()
    }
}

/// The range of the rates whose mean is as good as the best: on val within one standard error of the best share.
fn good(rates: &[AtRate], val: usize) -> Option<(f64, f64)> {
    let by_val: Vec<(f64, f64)> =
        rates.iter().filter_map(|at| Some((at.learning_rate, AtRate::mean(&at.val_accuracy)?))).collect();
    let as_good: Vec<f64> = if by_val.is_empty() {
        let losses: Vec<(f64, f64)> =
            rates.iter().filter_map(|at| Some((at.learning_rate, AtRate::mean(&at.train_loss)?))).collect();
        let least = losses.iter().map(|(_, loss)| *loss).reduce(f64::min)?;
        losses.into_iter().filter(|(_, loss)| *loss <= least * (1.0 + AS_LOW)).map(|(rate, _)| rate).collect()
    } else {
        let best = by_val.iter().map(|(_, accuracy)| *accuracy).reduce(f64::max)?;
        // two images more, one of them right: the error of 100 % is not 0
        let (n, share) = (val as f64 + 2.0, (best * val as f64 + 1.0) / (val as f64 + 2.0));
        let error = (share * (1.0 - share) / n).sqrt();
        by_val.into_iter().filter(|(_, accuracy)| *accuracy >= best - error).map(|(rate, _)| rate).collect()
    };
    Some((*as_good.first()?, *as_good.last()?))
}

/// What a rule suggests over the seeds, beside the grid.
pub fn verdict(grid: Option<&Grid>, rates: &[f64]) -> &'static str {
    let place = grid.and_then(|grid| grid.place(median(rates.iter().copied())?));
    match place {
        None => "",
        Some(Place::Below) => "   below the grid's good rates",
        Some(Place::Among) => "   among the grid's good rates",
        Some(Place::Above) => "   above the grid's good rates",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(accuracies: &[(f64, Option<f64>)], val: usize) -> Grid {
        let at = |&(learning_rate, accuracy): &(f64, Option<f64>)| AtRate {
            learning_rate,
            val_accuracy: vec![accuracy],
            train_loss: vec![accuracy.map(|a| 1.0 - a)],
        };
        let rates: Vec<AtRate> = accuracies.iter().map(at).collect();
        Grid { epochs: 2, good: good(&rates, val), rates, seconds: 1.0 }
    }

    #[test]
    fn rates_are_good_within_a_standard_error_of_the_best() {
        let shares = [(1e-4, Some(0.6)), (1e-3, Some(0.92)), (1e-2, Some(0.95)), (1e-1, Some(0.7)), (1.0, None)];
        let few = grid(&shares, 50);
        assert_eq!(few.good, Some((1e-3, 1e-2)));
        assert_eq!(grid(&shares, 5000).good, Some((1e-2, 1e-2)), "more images tell more rates apart");
        let places = [2e-4, 5e-4, 5e-3, 2.9e-2, 4e-2].map(|rate| few.place(rate).unwrap());
        assert_eq!(places, [Place::Below, Place::Among, Place::Among, Place::Among, Place::Above]);
        assert_eq!(verdict(Some(&few), &[1e-5, 5e-3, 2.0]), "   among the grid's good rates");
        assert_eq!(verdict(None, &[5e-3]), "");
        assert_eq!(grid(&[(1.0, None)], 50).good, None, "everything diverged");
        assert_eq!(few.rates[4].diverged(), 1);
    }

    #[test]
    fn without_val_the_training_loss_judges() {
        let mut rates = grid(&[(1e-3, Some(0.5)), (1e-2, Some(0.52)), (1e-1, Some(0.2))], 0).rates;
        rates.iter_mut().for_each(|at| at.val_accuracy = vec![None]);
        assert_eq!(good(&rates, 0), Some((1e-3, 1e-2)));
    }

    #[test]
    fn rates_are_sorted_and_must_be_rates() {
        let mut rates = vec![0.1, 0.001, 0.1];
        check(&mut rates).unwrap();
        assert_eq!(rates, [0.001, 0.1]);
        assert!(check(&mut vec![0.1, 0.0]).unwrap_err().to_string().contains("above 0"));
        assert_eq!(RATES.split(',').filter_map(|rate| rate.parse::<f64>().ok()).count(), 9);
    }
}
