//! One candidate fitted on many subsets of the same rows and asked about the same other rows, as a learning curve does:
//! what the fits share is computed once.

use ndarray::{Array2, Axis};

use super::dual::gram;
use super::kernel::Kernel;
use super::rows::{Kept, Rows, gather};
use super::scale::Scaling;
use super::svm::{Options, Point, Solver, decided_on};
use super::{Candidate, ClassifyError, Labelled, decide};

/// Rows to fit on, and rows to be judged.
pub struct Pool<'a> {
    pub train: Labelled<'a>,
    pub judged: &'a dyn Rows,
    pub classes: usize,
}

impl Candidate {
    /// The class of each judged row, for every subset of the rows to fit on; subsets ascend. Support vector machines are
    /// this suite's own, whatever the arm asks for. `done` is told of each subset.
    ///
    /// # Errors
    /// Those of the rows, and of a fit.
    pub fn on_subsets(
        &self,
        pool: &Pool,
        subsets: &[Vec<usize>],
        done: &dyn Fn(),
    ) -> Result<Vec<Vec<usize>>, ClassifyError> {
        let own = self.by_own_solver();
        if let Some(machine) = own.as_products(pool) {
            let (products, of_judged) = gram::products_and_of(pool.train.x, pool.judged)?;
            let decided = |subset: &Vec<usize>| {
                decided_on((&products, &of_judged), machine, (subset, pool.train.y), pool.classes).inspect(|_| done())
            };
            return subsets.iter().map(decided).collect();
        }
        let (rows, judged) = (Kept::of(pool.train.x)?, Kept::of(pool.judged)?);
        let decided =
            |subset: &Vec<usize>| own.decided(&taken(&rows, subset)?, subset, pool, &judged).inspect(|_| done());
        subsets.iter().map(decided).collect()
    }

    fn by_own_solver(&self) -> Candidate {
        match self {
            Self::Svm { scale, point, options } => {
                Self::svm(*scale, *point, Options { solver: Solver::Featbench, ..*options })
            }
            other => other.clone(),
        }
    }

    /// C and options of a machine that needs nothing but dot products, where there are few enough rows for their matrix.
    fn as_products(&self, pool: &Pool) -> Option<(f64, Options)> {
        match self {
            Self::Svm { scale: Scaling::None, point: Point { kernel: Kernel::Linear, c }, options }
                if gram::serves_a_fit(pool.train.x) =>
            {
                Some((*c, *options))
            }
            _ => None,
        }
    }

    fn decided(
        &self,
        x: &Array2<f32>,
        subset: &[usize],
        pool: &Pool,
        judged: &Kept,
    ) -> Result<Vec<usize>, ClassifyError> {
        let y: Vec<usize> = subset.iter().map(|&row| pool.train.y[row]).collect();
        let classifier = self.fit(Labelled { x, y: &y }, pool.classes)?;
        let mut classes = Vec::with_capacity(pool.judged.len());
        judged.each_block(|_, block| classes.extend(decide(&classifier.scores(block))))?;
        Ok(classes)
    }
}

/// Some of the rows, whose places ascend.
fn taken(rows: &Kept, places: &[usize]) -> Result<Array2<f32>, ClassifyError> {
    match rows {
        Kept::Held(x) => Ok(x.select(Axis(0), places)),
        Kept::Streamed(rows) => gather(*rows, places),
    }
}

#[cfg(test)]
mod tests {
    use super::super::svm::SvmSettings;
    use super::*;

    /// Three classes, some of whose rows lie among the others'.
    fn rows(n: usize, shift: usize) -> (Array2<f32>, Vec<usize>) {
        let y: Vec<usize> = (0..n).map(|i| i % 3).collect();
        let noise = |i: usize, j: usize| ((i * 7919 + j * 104_729 + shift * 31) % 1009) as f32 / 1009.0;
        let x = Array2::from_shape_fn((n, 5), |(i, j)| noise(i, j) + if y[i] == j { 0.5 } else { 0.0 });
        (x, y)
    }

    #[test]
    fn parts_of_one_matrix_decide_as_fits_on_vectors_do() {
        let ((x, y), (others, _)) = (rows(120, 0), rows(60, 1));
        let settings = |scale| SvmSettings {
            scale,
            linear_c: vec![1.0],
            rbf_c: vec![1.0],
            rbf_gamma: vec![0.5],
            loss: Default::default(),
            weights: Default::default(),
            solver: Solver::Linfa,
        };
        let pool = Pool { train: Labelled { x: &x, y: &y }, judged: &others, classes: 3 };
        let subsets = [(0..120).collect::<Vec<_>>(), (0..120).filter(|i| i % 5 < 2).collect()];
        for (scale, point) in [(Scaling::None, 0), (Scaling::None, 1), (Scaling::Standardise, 0)] {
            let candidate = Candidate::svm(scale, settings(scale).points()[point], Options::default());
            let decided = candidate.on_subsets(&pool, &subsets, &|| ()).unwrap();
            for (subset, decided) in subsets.iter().zip(&decided) {
                let taken = x.select(Axis(0), subset);
                let labels: Vec<usize> = subset.iter().map(|&row| y[row]).collect();
                let alone = candidate.fit(Labelled { x: &taken, y: &labels }, 3).unwrap();
                let apart = decide(&alone.scores(others.view())).iter().zip(decided).filter(|(a, b)| a != b).count();
                assert!(apart <= 1, "{apart} of 60");
            }
        }
    }
}
