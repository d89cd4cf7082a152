//! One nearest neighbour: the floors' classifier, which has nothing to fit and nothing to choose.

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::rows::all;
use super::{ClassifyError, Labelled};

/// Rows that are worked on at a time; bounds the memory of the distance block.
const BLOCK: usize = 64;

/// The training rows and their classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NearestNeighbour {
    x: Array2<f32>,
    y: Vec<usize>,
    classes: usize,
}

impl NearestNeighbour {
    /// # Errors
    /// Those of the rows.
    pub fn new(train: Labelled, classes: usize) -> Result<Self, ClassifyError> {
        Ok(Self { x: all(train.x)?, y: train.y.to_vec(), classes })
    }

    /// Minus the squared distance to the nearest training row of each class; minus infinity for an absent class.
    pub fn scores(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let mut scores = Array2::from_elem((x.nrows(), self.classes), f32::NEG_INFINITY);
        scores.axis_chunks_iter_mut(ndarray::Axis(0), BLOCK).into_par_iter().enumerate().for_each(
            |(block, mut out)| {
                let start = block * BLOCK;
                let rows = x.slice(s![start..start + out.nrows(), ..]);
                for (row, mut out) in rows.outer_iter().zip(out.outer_iter_mut()) {
                    for (other, &class) in self.x.outer_iter().zip(&self.y) {
                        // Differences, not |a|^2 + |b|^2 - 2ab: identical rows must be at distance 0 exactly.
                        let distance: f32 = row.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
                        out[class] = out[class].max(-distance);
                    }
                }
            },
        );
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::decide;
    use ndarray::array;

    #[test]
    fn the_nearest_row_decides_and_absent_classes_never_win() {
        let x = array![[0.0, 0.0], [4.0, 0.0]];
        let model = NearestNeighbour::new(Labelled { x: &x, y: &[2, 0] }, 3).unwrap();
        let scores = model.scores(array![[1.0, 0.0], [3.0, 1.0]].view());
        assert_eq!(scores, array![[-9.0, f32::NEG_INFINITY, -1.0], [-2.0, f32::NEG_INFINITY, -10.0]]);
        assert_eq!(decide(&scores), [2, 0]);
    }
}
