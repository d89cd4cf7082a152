//! A small decision tree: a few numbers, asked one at a time whether they are above a threshold. It sees steps, gaps and
//! codes where a linear function sees nothing, which suits a handful of properties of no common scale.
//!
//! Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984, with Gini's impurity.

use ndarray::{ArrayView1, ArrayView2};

/// Questions from the root to a leaf at most.
const DEPTH: usize = 6;
/// Rows of a leaf at least: fewer would be learnt by heart.
const LEAF: usize = 5;

/// A fitted tree.
#[derive(Debug, Clone, PartialEq)]
pub enum DecisionTree {
    Leaf {
        class: usize,
    },
    Question {
        column: usize,
        /// What is at most this goes to the first side.
        threshold: f32,
        sides: Box<[DecisionTree; 2]>,
    },
}

/// Where rows are parted, and how impure both sides are together.
struct Cut {
    column: usize,
    threshold: f32,
    impurity: f64,
}

impl DecisionTree {
    /// Fits on finite numbers (n x d) with the class index of each row, n at least 1.
    pub fn fit(x: ArrayView2<f32>, y: &[usize], classes: usize) -> DecisionTree {
        grow(x, y, (0..x.nrows()).collect(), classes, DEPTH)
    }

    /// The class of one row.
    pub fn predict(&self, row: ArrayView1<f32>) -> usize {
        match self {
            DecisionTree::Leaf { class } => *class,
            DecisionTree::Question { column, threshold, sides } => {
                sides[usize::from(row[*column] > *threshold)].predict(row)
            }
        }
    }
}

fn grow(x: ArrayView2<f32>, y: &[usize], rows: Vec<usize>, classes: usize, depth: usize) -> DecisionTree {
    let counts = counted(y, &rows, classes);
    let cuts = (0..x.ncols()).filter_map(|column| best_cut(x.column(column), y, &rows, &counts, column));
    let cut = cuts.reduce(|best, other| if other.impurity < best.impurity { other } else { best });
    // nothing is won by asking where the answer is the same
    match cut.filter(|cut| depth > 0 && cut.impurity < Side::of(&counts).impurity() - 1e-9) {
        Some(Cut { column, threshold, .. }) => {
            let (below, above): (Vec<usize>, Vec<usize>) =
                rows.into_iter().partition(|&row| x[[row, column]] <= threshold);
            let sides = [below, above].map(|rows| grow(x, y, rows, classes, depth - 1));
            DecisionTree::Question { column, threshold, sides: Box::new(sides) }
        }
        None => DecisionTree::Leaf { class: most_frequent(&counts) },
    }
}

fn counted(y: &[usize], rows: &[usize], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    rows.iter().for_each(|&row| counts[y[row]] += 1);
    counts
}

/// The first of equals.
fn most_frequent(counts: &[usize]) -> usize {
    (0..counts.len()).fold(0, |best, class| if counts[class] > counts[best] { class } else { best })
}

/// Rows of one side, counted by class.
struct Side {
    counts: Vec<usize>,
    rows: usize,
    /// Sum of the squared counts.
    squares: usize,
}

impl Side {
    fn of(counts: &[usize]) -> Side {
        let squares = counts.iter().map(|count| count * count).sum();
        Side { counts: counts.to_vec(), rows: counts.iter().sum(), squares }
    }

    fn add(&mut self, class: usize) {
        self.squares += 2 * self.counts[class] + 1;
        self.counts[class] += 1;
        self.rows += 1;
    }

    fn remove(&mut self, class: usize) {
        self.squares -= 2 * self.counts[class] - 1;
        self.counts[class] -= 1;
        self.rows -= 1;
    }

    /// Gini's, times the number of rows.
    fn impurity(&self) -> f64 {
        self.rows as f64 - self.squares as f64 / self.rows.max(1) as f64
    }
}

/// The threshold between two values of a column that leaves the least impurity, with [`LEAF`] rows on each side.
fn best_cut(values: ArrayView1<f32>, y: &[usize], rows: &[usize], counts: &[usize], column: usize) -> Option<Cut> {
    let mut order = rows.to_vec();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let (mut below, mut above) = (Side::of(&vec![0; counts.len()]), Side::of(counts));
    let mut best: Option<Cut> = None;
    for (i, pair) in order.windows(2).enumerate() {
        below.add(y[pair[0]]);
        above.remove(y[pair[0]]);
        let (low, high) = (values[pair[0]], values[pair[1]]);
        if low == high || i + 1 < LEAF || rows.len() - i - 1 < LEAF {
            continue;
        }
        let impurity = below.impurity() + above.impurity();
        if best.as_ref().is_none_or(|best| impurity < best.impurity) {
            best = Some(Cut { column, threshold: low + 0.5 * (high - low), impurity });
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn accuracy(tree: &DecisionTree, x: &Array2<f32>, y: &[usize]) -> f64 {
        let right = x.outer_iter().zip(y).filter(|(row, class)| tree.predict(*row) == **class).count();
        right as f64 / y.len() as f64
    }

    #[test]
    fn bands_of_one_number_are_told_apart() {
        let x = Array2::from_shape_fn((300, 2), |(i, j)| if j == 1 { (i * 7 % 300) as f32 } else { 3.0 });
        let y: Vec<usize> = (0..300).map(|i| (i * 7 % 300) / 60 % 3).collect();
        let tree = DecisionTree::fit(x.view(), &y, 3);
        assert_eq!(accuracy(&tree, &x, &y), 1.0);
        assert_eq!([0.0, 61.0, 121.0, 299.0].map(|v| tree.predict(array![3.0, v].view())), [0, 1, 2, 1]);
    }

    #[test]
    fn without_a_difference_it_is_the_most_frequent_class() {
        let y = [1, 0, 2, 1, 0, 1, 2, 1, 1, 2, 2, 1];
        let tree = DecisionTree::fit(Array2::from_elem((12, 1), 5.0).view(), &y, 3);
        assert_eq!(tree, DecisionTree::Leaf { class: 1 });
        assert_eq!(DecisionTree::fit(Array2::zeros((3, 0)).view(), &[2, 0, 2], 3), DecisionTree::Leaf { class: 2 });
    }

    #[test]
    fn noise_is_not_learnt_by_heart() {
        let dice = |i: usize, k: usize| (i * 2_654_435_761 + k * 40_503) % 1009;
        let x = Array2::from_shape_fn((400, 1), |(i, _)| dice(i, 1) as f32);
        let y: Vec<usize> = (0..400).map(|i| dice(i * i + 5, 2) % 4).collect();
        let tree = DecisionTree::fit(x.slice(ndarray::s![..200, ..]), &y[..200], 4);
        let other = x.slice(ndarray::s![200.., ..]).to_owned();
        assert!(accuracy(&tree, &other, &y[200..]) < 0.4);
    }
}
