//! Scaling of vectors, fitted on training rows only and applied to every other row with the same numbers.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, Axis, CowArray, Ix2, Zip};
use serde::{Deserialize, Serialize};

use super::ClassifyError;
use super::rows::{Rows, blocks, finite};

/// Which scaling an arm wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    None,
    /// Mean 0 and deviation 1 in each dimension (population deviation; a constant dimension is only centred).
    Standardise,
}

/// A fitted scaling: `(x - mean) / deviation`, or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scale(Option<(Array1<f32>, Array1<f32>)>);

impl Scaling {
    /// Means and deviations of the rows (n x d), summed in f64 in two passes over them.
    ///
    /// # Errors
    /// Those of the rows, and a number that is not finite.
    pub fn fit(self, rows: &dyn Rows) -> Result<Scale, ClassifyError> {
        if self == Scaling::None || rows.is_empty() {
            return Ok(Scale(None));
        }
        let n = rows.len() as f64;
        let mut sum = Array1::<f64>::zeros(rows.dimension());
        each_row(rows, |row| Zip::from(&mut sum).and(row).for_each(|s, &v| *s += f64::from(v)))?;
        let mean = sum / n;
        let mut square = Array1::<f64>::zeros(rows.dimension());
        each_row(rows, |row| {
            Zip::from(&mut square).and(row).and(&mean).for_each(|s, &v, &m| *s += (f64::from(v) - m).powi(2));
        })?;
        let deviation = square.mapv(|s| if s > 0.0 { (s / n).sqrt() as f32 } else { 1.0 });
        Ok(Scale(Some((mean.mapv(|m| m as f32), deviation))))
    }
}

fn each_row(rows: &dyn Rows, mut each: impl FnMut(ArrayView1<f32>)) -> Result<(), ClassifyError> {
    for block in blocks(rows) {
        block?.1.outer_iter().for_each(&mut each);
    }
    Ok(())
}

impl Scale {
    /// No scaling.
    pub fn none() -> Scale {
        Scale(None)
    }

    /// What is subtracted, where something is.
    pub fn mean(&self) -> Option<&Array1<f32>> {
        self.0.as_ref().map(|(mean, _)| mean)
    }

    /// A linear model of scaled vectors (weights d x classes, one intercept a class) as one of the vectors themselves.
    pub fn unscaled(&self, weights: &Array2<f64>, intercepts: &Array1<f64>) -> (Array2<f64>, Array1<f64>) {
        let Some((mean, deviation)) = &self.0 else { return (weights.clone(), intercepts.clone()) };
        let weights = weights / &deviation.mapv(f64::from).insert_axis(Axis(1));
        let shift = mean.mapv(f64::from).dot(&weights);
        (weights, intercepts - &shift)
    }

    /// The scaled rows.
    pub fn apply<'a>(&self, x: impl Into<CowArray<'a, f32, Ix2>>) -> Array2<f32> {
        let mut x = x.into().into_owned();
        if let Some((mean, deviation)) = &self.0 {
            x -= mean;
            x /= deviation;
        }
        x
    }
}

/// Rows as a fitted scaling shows them.
#[derive(Clone, Copy)]
pub struct Scaled<'a> {
    pub rows: &'a dyn Rows,
    pub scale: &'a Scale,
}

impl Rows for Scaled<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn dimension(&self) -> usize {
        self.rows.dimension()
    }

    fn block(&self, rows: Range<usize>) -> Result<Array2<f32>, ClassifyError> {
        Ok(self.scale.apply(finite(self.rows, rows)?))
    }

    fn name(&self, row: usize) -> String {
        self.rows.name(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn training_rows_have_mean_0_and_deviation_1_and_other_rows_use_their_numbers() {
        let train = array![[1.0, 5.0], [3.0, 5.0]];
        let scale = Scaling::Standardise.fit(&train).unwrap();
        assert_eq!(scale.apply(train.view()), array![[-1.0, 0.0], [1.0, 0.0]]);
        assert_eq!(scale.apply(array![[5.0, 6.0]].view()), array![[3.0, 1.0]]);
    }
}
