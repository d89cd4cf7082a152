//! How good predictions are: the confusion matrix and what is computed from it.
//! A class without images has no recall, one that is never predicted no precision: such values are `None`, and how
//! the averages treat them is said where they are defined (as scikit-learn does).

/// Counts of images by true and predicted class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// Row by true class, `classes` squared.
    counts: Vec<u64>,
}

/// How one class fares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScores {
    /// Images of the class.
    pub support: u64,
    /// Share of the images predicted as the class that are of it; `None` where it is never predicted.
    pub precision: Option<f64>,
    /// Share of the class's images that are predicted as it; `None` where it has none.
    pub recall: Option<f64>,
    /// Harmonic mean of both, 2 hits / (images + predictions); `None` where there are neither.
    pub f1: Option<f64>,
}

impl Confusion {
    /// Counts pairs of (true, predicted) class indices.
    ///
    /// # Panics
    /// An index is not below `classes`.
    pub fn new(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Confusion {
        let mut counts = vec![0; classes * classes];
        for (truth, predicted) in pairs {
            assert!(truth < classes && predicted < classes, "class {truth} or {predicted} of {classes}");
            counts[truth * classes + predicted] += 1;
        }
        Confusion { classes, counts }
    }

    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Images of class `truth` that are predicted as `predicted`.
    pub fn at(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn correct(&self) -> u64 {
        (0..self.classes).map(|class| self.at(class, class)).sum()
    }

    /// Share of all images that are predicted correctly; `None` without images.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.correct(), self.total())
    }

    /// Mean of the recalls of those classes that have images (balanced accuracy); `None` without images.
    pub fn mean_class_accuracy(&self) -> Option<f64> {
        mean(self.per_class().filter_map(|class| class.recall))
    }

    /// Mean of F1 over all classes; one that is neither there nor predicted counts as 0. `None` without classes.
    pub fn macro_f1(&self) -> Option<f64> {
        mean(self.per_class().map(|class| class.f1.unwrap_or(0.0)))
    }

    /// Scores of every class, in the order of the index.
    pub fn per_class(&self) -> impl Iterator<Item = ClassScores> + '_ {
        (0..self.classes).map(|class| {
            let hits = self.at(class, class);
            let support = (0..self.classes).map(|predicted| self.at(class, predicted)).sum();
            let predictions = (0..self.classes).map(|truth| self.at(truth, class)).sum();
            ClassScores {
                support,
                precision: share(hits, predictions),
                recall: share(hits, support),
                f1: share(2 * hits, support + predictions),
            }
        })
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_u32), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_predicted_is_undefined() {
        let empty = Confusion::new(2, []);
        assert_eq!((empty.accuracy(), empty.mean_class_accuracy(), empty.macro_f1()), (None, None, Some(0.0)));
    }
}
