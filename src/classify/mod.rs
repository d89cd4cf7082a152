//! Classifiers: from vectors and class indices to a fitted [`Classifier`] that gives one score a class.
//! Knows nothing of images, files or networks; every arm goes through the same code.

mod dual;
pub mod kernel;
pub mod logistic;
pub mod neighbours;
pub mod rows;
pub mod scale;
mod subsets;
pub mod svm;
pub mod tree;

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use rows::{Rows, blocks};
use scale::{Scale, Scaled, Scaling};

pub use subsets::Pool;

/// The `[classifier]` table of an arm: which classifier, and the grid that selection tries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ClassifierSettings {
    /// Always the most frequent class of train.
    Majority,
    /// The class of the nearest training vector (Euclidean).
    NearestNeighbour { scale: Scaling },
    /// One support vector machine a class, the largest margin wins.
    Svm(svm::SvmSettings),
    /// Multinomial logistic regression, the likeliest class wins.
    Logistic(logistic::LogisticSettings),
    /// The head of the trained network that the features come from.
    Head,
}

/// One point of a grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Candidate {
    Majority,
    NearestNeighbour { scale: Scaling },
    Svm { scale: Scaling, point: svm::Point, options: svm::Options },
    Logistic { scale: Scaling, penalty: logistic::Penalty },
    Head,
}

/// A fitted classifier with the scaling that belongs before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classifier {
    scale: Scale,
    model: Model,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Model {
    Majority { class: usize, classes: usize },
    NearestNeighbour(neighbours::NearestNeighbour),
    Svm(svm::OneVsRest),
    Logistic(logistic::Softmax),
}

/// Vectors (n x d) with the class index of each row.
#[derive(Clone, Copy)]
pub struct Labelled<'a> {
    pub x: &'a dyn Rows,
    pub y: &'a [usize],
}

#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    #[error("the training images show {0} class(es), at least two are needed")]
    TooFewClasses(usize),
    #[error("the support vector machine did not fit: {0}")]
    Svm(#[from] linfa_svm::SvmError),
    #[error("classifier kind = \"head\" needs features of kind = \"finetuned\"")]
    NoHead,
    #[error("the logistic regression did not fit: {0}")]
    Logistic(#[from] linfa_logistic::error::Error),
    #[error("{what} is {value} at index {column}, where a finite number belongs")]
    NotFinite { what: String, value: f32, column: usize },
    /// The vectors can't be had.
    #[error(transparent)]
    Vectors(#[from] anyhow::Error),
}

impl ClassifierSettings {
    /// Raised whenever a fit of the same settings on the same vectors may come out differently.
    pub fn version(&self) -> u32 {
        match self {
            Self::Svm(_) => 4,
            Self::Majority | Self::NearestNeighbour { .. } | Self::Logistic(_) | Self::Head => 2,
        }
    }

    /// What is wrong with the values, if anything is.
    ///
    /// # Errors
    /// An empty grid, or a number that no SVM can be fitted with.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Svm(svm) => svm.check(),
            _ => Ok(()),
        }
    }

    /// Bytes that a fit on so many rows takes at most, besides the vectors of one block.
    pub fn memory(&self, rows: usize) -> u64 {
        match self {
            Self::Svm(_) => dual::memory(rows),
            Self::Logistic(_) if rows > logistic::LARGEST => rows::HELD as u64,
            Self::Majority | Self::NearestNeighbour { .. } | Self::Logistic(_) | Self::Head => 0,
        }
    }

    /// Is a candidate one linear function of the vectors?
    pub fn may_be_linear(&self) -> bool {
        match self {
            Self::Svm(svm) => svm.points().iter().any(|point| point.kernel == kernel::Kernel::Linear),
            Self::Logistic(_) | Self::Head => true,
            Self::Majority | Self::NearestNeighbour { .. } => false,
        }
    }

    /// Every point of the grid, in the order in which they are preferred at equal accuracy.
    pub fn candidates(&self) -> Vec<Candidate> {
        match self {
            Self::Majority => vec![Candidate::Majority],
            Self::Head => vec![Candidate::Head],
            Self::NearestNeighbour { scale } => vec![Candidate::NearestNeighbour { scale: *scale }],
            Self::Svm(settings) => {
                let candidate = |point| Candidate::svm(settings.scale, point, settings.options());
                settings.points().into_iter().map(candidate).collect()
            }
            Self::Logistic(settings) => {
                let penalty =
                    |&alpha| Candidate::Logistic { scale: settings.scale, penalty: logistic::Penalty { alpha } };
                settings.alpha.iter().map(penalty).collect()
            }
        }
    }

    /// Fits candidates on `train` and counts the rows of `val` that each gets right, in candidate order: all of them, or
    /// of a support vector machine's on many rows the best that a first round on some of the rows left.
    pub fn try_all(
        &self,
        train: Labelled,
        val: Labelled,
        classes: usize,
    ) -> Result<Vec<(Candidate, usize)>, ClassifyError> {
        let candidates = self.candidates();
        let correct: Vec<Option<usize>> = match self {
            Self::Svm(settings) => {
                let scale = settings.scale.fit(train.x)?;
                let (x, val_x) = (Scaled { rows: train.x, scale: &scale }, Scaled { rows: val.x, scale: &scale });
                let (train, val) = (Labelled { x: &x, y: train.y }, Labelled { x: &val_x, y: val.y });
                svm::count_correct_of(&settings.points(), settings.options(), train, val, classes)?
            }
            Self::Logistic(settings) => {
                let scale = settings.scale.fit(train.x)?;
                let (x, val_x) = (Scaled { rows: train.x, scale: &scale }, Scaled { rows: val.x, scale: &scale });
                let (train, val) = (Labelled { x: &x, y: train.y }, Labelled { x: &val_x, y: val.y });
                let penalties: Vec<_> = settings.alpha.iter().map(|&alpha| logistic::Penalty { alpha }).collect();
                logistic::count_correct_of(&penalties, train, val, classes)?.into_iter().map(Some).collect()
            }
            _ => candidates
                .par_iter()
                .map(|candidate| candidate.fit(train, classes)?.count_correct(val).map(Some))
                .collect::<Result<_, ClassifyError>>()?,
        };
        let tried = candidates.into_iter().zip(correct);
        Ok(tried.filter_map(|(candidate, correct)| Some((candidate, correct?))).collect())
    }
}

impl ClassifierSettings {
    /// As [`try_all`](Self::try_all) where the dot products of all rows are at hand, those of train before those of val;
    /// `None` for a classifier that needs more than these.
    ///
    /// # Errors
    /// Those of [`try_all`](Self::try_all).
    pub fn try_all_on(
        &self,
        products: ArrayView2<f32>,
        (train, val): (&[usize], &[usize]),
        classes: usize,
    ) -> Option<Result<Vec<(Candidate, usize)>, ClassifyError>> {
        let Self::Svm(settings) = self else { return None };
        if settings.scale != Scaling::None || !settings.rbf_gamma.is_empty() {
            return None;
        }
        let correct = svm::count_correct_on(products, &settings.linear_c, settings.options(), (train, val), classes);
        Some(correct.map(|correct| self.candidates().into_iter().zip(correct).collect()))
    }
}

impl Candidate {
    pub fn svm(scale: Scaling, point: svm::Point, options: svm::Options) -> Candidate {
        Candidate::Svm { scale, point, options }
    }

    /// Fits on all rows of `train`.
    pub fn fit(&self, train: Labelled, classes: usize) -> Result<Classifier, ClassifyError> {
        let scaling = match self {
            Self::Majority | Self::Head => Scaling::None,
            Self::NearestNeighbour { scale } | Self::Svm { scale, .. } | Self::Logistic { scale, .. } => *scale,
        };
        let scale = scaling.fit(train.x)?;
        let rows = Scaled { rows: train.x, scale: &scale };
        let scaled = Labelled { x: &rows, y: train.y };
        let model = match self {
            Self::Head => return Err(ClassifyError::NoHead),
            Self::Majority => Model::Majority { class: most_frequent(train.y, classes), classes },
            Self::NearestNeighbour { .. } => {
                Model::NearestNeighbour(neighbours::NearestNeighbour::new(scaled, classes)?)
            }
            Self::Svm { point, options, .. } => Model::Svm(svm::OneVsRest::fit(*point, *options, scaled, classes)?),
            Self::Logistic { penalty, .. } => Model::Logistic(logistic::Softmax::fit(*penalty, scaled, classes)?),
        };
        Ok(Classifier { scale, model })
    }

    /// The settings as `name=value`, joined by spaces; empty where there is nothing to choose.
    pub fn describe(&self) -> String {
        match self {
            Self::Majority | Self::NearestNeighbour { .. } | Self::Head => String::new(),
            Self::Svm { point, .. } => point.to_string(),
            Self::Logistic { penalty, .. } => penalty.to_string(),
        }
    }
}

impl Classifier {
    /// A linear classifier of unscaled vectors that something else has fitted: weights d x classes, one intercept a
    /// class. Its scores are logarithms of the softmax's probabilities.
    pub fn linear(weights: Array2<f64>, intercepts: Array1<f64>) -> Classifier {
        Classifier { scale: Scale::none(), model: Model::Logistic(logistic::Softmax::new(weights, intercepts)) }
    }

    /// A fitted logistic regression, or machines with a linear kernel, as weights (d x classes) and intercepts of unscaled
    /// vectors; `None` for another.
    pub fn as_linear(&self) -> Option<(Array2<f64>, Array1<f64>)> {
        match &self.model {
            Model::Logistic(model) => Some(self.scale.unscaled(model.weights(), model.intercepts())),
            Model::Svm(machines) => {
                let (weights, intercepts) = machines.as_linear()?;
                Some(self.scale.unscaled(&weights, &intercepts))
            }
            _ => None,
        }
    }

    /// The mean of the vectors that it was fitted on, where it subtracts that.
    pub fn centre(&self) -> Option<&Array1<f32>> {
        self.scale.mean()
    }

    /// What a record says of the fit besides its settings, where `settings` asked for it; empty where there is nothing to
    /// say.
    pub fn remark(&self, settings: &ClassifierSettings) -> String {
        match (&self.model, settings) {
            (Model::Svm(machines), ClassifierSettings::Svm(svm)) => machines.remark(svm.solver),
            _ => String::new(),
        }
    }

    /// Largest relative duality gap of its support vector machines; `None` for another classifier.
    pub fn gap(&self) -> Option<f64> {
        if let Model::Svm(machines) = &self.model { Some(machines.gap()) } else { None }
    }

    /// How many numbers the fit holds, scaling left out, and how many multiply-adds the scores of one vector take; a search
    /// among training vectors as if it looked at all.
    pub fn size(&self) -> (u64, u64) {
        match &self.model {
            Model::Majority { .. } => (1, 0),
            Model::NearestNeighbour(model) => model.size(),
            Model::Svm(model) => model.size(),
            Model::Logistic(model) => {
                let (weights, intercepts) = (model.weights().len() as u64, model.intercepts().len() as u64);
                (weights + intercepts, weights)
            }
        }
    }

    /// Scores (n x classes), larger is likelier.
    pub fn scores(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let x = self.scale.apply(x);
        match &self.model {
            Model::Majority { class, classes } => {
                Array2::from_shape_fn((x.nrows(), *classes), |(_, c)| if c == *class { 1.0 } else { 0.0 })
            }
            Model::NearestNeighbour(model) => model.scores(x.view()),
            Model::Svm(model) => model.scores(x.view()),
            Model::Logistic(model) => model.scores(x.view()),
        }
    }

    /// How many rows it gets right.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn count_correct(&self, val: Labelled) -> Result<usize, ClassifyError> {
        let right = |block: Result<(Range<usize>, Array2<f32>), ClassifyError>| {
            let (range, x) = block?;
            Ok(count_correct(self.scores(x.view()).view(), &val.y[range]))
        };
        blocks(val.x).map(right).sum()
    }
}

/// Class with the largest score of each row; of equal scores the first class wins, every time.
pub fn decide<'a>(scores: impl Into<ArrayView2<'a, f32>>) -> Vec<usize> {
    let first_largest = |row: ndarray::ArrayView1<f32>| {
        row.iter().enumerate().fold(0, |best, (class, score)| if *score > row[best] { class } else { best })
    };
    scores.into().axis_iter(Axis(0)).map(first_largest).collect()
}

fn count_correct(scores: ArrayView2<f32>, y: &[usize]) -> usize {
    decide(scores).iter().zip(y).filter(|(predicted, truth)| predicted == truth).count()
}

fn check_classes(y: &[usize], classes: usize) -> Result<(), ClassifyError> {
    let shown = (0..classes).filter(|class| y.contains(class)).count();
    if shown < 2 { Err(ClassifyError::TooFewClasses(shown)) } else { Ok(()) }
}

fn most_frequent(y: &[usize], classes: usize) -> usize {
    let mut counts = vec![0usize; classes];
    y.iter().for_each(|&class| counts[class] += 1);
    (0..classes).fold(0, |best, class| if counts[class] > counts[best] { class } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn equal_scores_go_to_the_first_class() {
        assert_eq!(decide(&array![[0.5, 0.5, 0.1], [0.0, 2.0, 2.0], [-1.0, -3.0, -1.0]]), [0, 1, 0]);
    }

    #[test]
    fn linear_classifiers_are_one_function_of_unscaled_vectors() {
        let x =
            Array2::from_shape_fn((30, 4), |(i, j)| ((i * 7 + j * 13) % 11) as f32 * (j + 1) as f32 + (i % 3) as f32);
        let y: Vec<usize> = (0..30).map(|i| i % 3).collect();
        let (scale, train) = (Scaling::Standardise, Labelled { x: &x, y: &y });
        let svm = |kernel| {
            Candidate::svm(scale, svm::Point { kernel, c: 1.0 }, svm::Options::default()).fit(train, 3).unwrap()
        };
        let logistic = Candidate::Logistic { scale, penalty: logistic::Penalty { alpha: 1.0 } }.fit(train, 3).unwrap();
        for fitted in [svm(kernel::Kernel::Linear), logistic] {
            let (weights, intercepts) = fitted.as_linear().unwrap();
            let mut apart = x.mapv(f64::from).dot(&weights) + &intercepts - fitted.scores(x.view()).mapv(f64::from);
            // log-probabilities are logits but for a number a row
            if let Model::Logistic(_) = fitted.model {
                apart.outer_iter_mut().for_each(|mut row| row -= row[0]);
            }
            assert!(apart.iter().all(|v| v.abs() < 1e-4), "{apart}");
        }
        assert!(svm(kernel::Kernel::Rbf { gamma: 0.1 }).as_linear().is_none());
    }

    #[test]
    fn majority_takes_the_most_frequent_class_and_the_first_of_equals() {
        let x = Array2::zeros((5, 0));
        let fit = |y: &[usize]| Candidate::Majority.fit(Labelled { x: &x, y }, 3).unwrap();
        assert_eq!(decide(&fit(&[2, 2, 1, 0, 2]).scores(x.view()))[0], 2);
        assert_eq!(decide(&fit(&[1, 1, 2, 0, 2]).scores(x.view()))[0], 1);
    }
}
