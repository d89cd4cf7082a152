//! One nearest neighbour: the floors' classifier, which has nothing to fit and nothing to choose.
//! Few dimensions, or few rows, are searched exactly; of many long rows a bounded number is looked at.

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::rows::all;
use super::{ClassifyError, Labelled};
use crate::nearest::{Projection, Tree};

/// Rows that are worked on at a time.
const BLOCK: usize = 64;
/// Training rows that are compared side by side.
const LANES: usize = 8;
/// Up to so many dimensions a tree a class finds the nearest row of each class exactly, whatever their number.
const FEW_DIMENSIONS: usize = 8;
/// Up to so many training rows of more dimensions every one is compared.
const EXACT_ROWS: usize = 2048;
/// Where there are more, so many are looked at for each row, the likeliest first (Beis and Lowe 1997), and one of each
/// class beside them.
const LOOKED_AT: usize = 1024;
/// Training rows that the coordinates of long rows are made from.
const SAMPLE: usize = 512;

/// The training rows and their classes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct NearestNeighbour {
    x: Array2<f32>,
    y: Vec<usize>,
    classes: usize,
    #[serde(skip)]
    order: Order,
}

/// What is kept of it; the order follows from that.
#[derive(Deserialize)]
struct Stored {
    x: Array2<f32>,
    y: Vec<usize>,
    classes: usize,
}

/// How the nearest training rows are found.
#[derive(Debug, Clone, PartialEq)]
enum Order {
    /// By comparing all.
    None,
    /// One tree a class, of the rows as they are.
    OfClasses(Vec<Tree>),
    /// One tree of the rows' coordinates, and the first row of each class that there is.
    OfCoordinates { projection: Box<Projection>, tree: Tree, firsts: Vec<usize> },
}

impl From<Stored> for NearestNeighbour {
    fn from(Stored { x, y, classes }: Stored) -> Self {
        let order = Order::of(&x, &y, classes);
        Self { x, y, classes, order }
    }
}

impl NearestNeighbour {
    /// # Errors
    /// Those of the rows.
    pub fn new(train: Labelled, classes: usize) -> Result<Self, ClassifyError> {
        Ok(Stored { x: all(train.x)?, y: train.y.to_vec(), classes }.into())
    }

    /// Minus the squared distance to the nearest training row of each class, of those that are looked at; minus infinity
    /// for an absent class.
    pub fn scores(&self, x: ArrayView2<f32>) -> Array2<f32> {
        let mut scores = Array2::from_elem((x.nrows(), self.classes), f32::NEG_INFINITY);
        scores.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().enumerate().for_each(|(block, mut out)| {
            let start = block * BLOCK;
            let rows = x.slice(s![start..start + out.nrows(), ..]).as_standard_layout().into_owned();
            let out = out.as_slice_mut().expect("rows of one matrix");
            match &self.order {
                Order::None => self.compare_all(&rows, out),
                Order::OfClasses(trees) => of_classes(trees, &rows, out),
                Order::OfCoordinates { projection, tree, firsts } => {
                    let coordinates = projection.apply(rows.view());
                    let places = coordinates.chunks_exact(projection.dimension());
                    for ((row, place), out) in rows.outer_iter().zip(places).zip(out.chunks_exact_mut(self.classes)) {
                        let row = row.to_slice().expect("rows of one matrix");
                        let mut nearest = f32::INFINITY;
                        let mut look = |other: usize, _| {
                            nearest = nearest.min(self.look(other, row, out));
                            nearest
                        };
                        let limit = firsts.iter().fold(f32::INFINITY, |_, &first| look(first, 0.0));
                        tree.search(place, limit, LOOKED_AT, look);
                    }
                }
            }
        });
        scores
    }

    /// Numbers that it holds, and multiply-adds of a comparison with all.
    pub fn size(&self) -> (u64, u64) {
        (self.x.len() as u64, self.x.len() as u64)
    }

    /// Notes how far a training row is.
    fn look(&self, other: usize, row: &[f32], out: &mut [f32]) -> f32 {
        let distance = squares_in_lanes(row, self.row(other));
        let score = &mut out[self.y[other]];
        *score = score.max(-distance);
        distance
    }

    fn row(&self, row: usize) -> &[f32] {
        let d = self.x.ncols();
        &self.x.as_slice().expect("a matrix in row order")[row * d..(row + 1) * d]
    }

    /// Differences, not |a|^2 + |b|^2 - 2ab: identical rows must be at distance 0 exactly. Each sum runs over the
    /// dimensions in their order, several sums side by side.
    fn compare_all(&self, rows: &Array2<f32>, out: &mut [f32]) {
        let mut side_by_side = vec![[0.0; LANES]; self.x.ncols()];
        for start in (0..self.y.len()).step_by(LANES) {
            let count = LANES.min(self.y.len() - start);
            for lane in 0..count {
                side_by_side.iter_mut().zip(self.row(start + lane)).for_each(|(values, &value)| values[lane] = value);
            }
            for (row, out) in rows.outer_iter().zip(out.chunks_exact_mut(self.classes)) {
                let mut sums = [0.0; LANES];
                for (value, others) in row.iter().zip(&side_by_side) {
                    sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += (value - other) * (value - other));
                }
                for (sum, &class) in sums.iter().zip(&self.y[start..start + count]) {
                    out[class] = out[class].max(-sum);
                }
            }
        }
    }
}

impl Order {
    fn of(x: &Array2<f32>, y: &[usize], classes: usize) -> Order {
        match (x.nrows(), x.ncols()) {
            (_, 0) => Order::None,
            (_, d) if d <= FEW_DIMENSIONS => {
                let mut points = vec![Vec::new(); classes];
                x.outer_iter().zip(y).for_each(|(row, &class)| points[class].extend(row));
                Order::OfClasses(points.into_iter().map(|points| Tree::new(points, d)).collect())
            }
            (n, _) if n <= EXACT_ROWS => Order::None,
            (n, _) => {
                let projection = Box::new(Projection::of(x.slice(s![..;n.div_ceil(SAMPLE), ..])));
                let blocks: Vec<_> = x.axis_chunks_iter(Axis(0), BLOCK).collect();
                let coordinates: Vec<_> = blocks.into_par_iter().map(|block| projection.apply(block)).collect();
                let tree = Tree::new(coordinates.concat(), projection.dimension());
                let mut seen = vec![false; classes];
                let firsts = (0..n).filter(|&row| !std::mem::replace(&mut seen[y[row]], true)).collect();
                Order::OfCoordinates { projection, tree, firsts }
            }
        }
    }
}

fn of_classes(trees: &[Tree], rows: &Array2<f32>, out: &mut [f32]) {
    for (row, out) in rows.outer_iter().zip(out.chunks_exact_mut(trees.len())) {
        let row = row.to_slice().expect("rows of one matrix");
        for (tree, out) in trees.iter().zip(out) {
            let mut nearest = f32::INFINITY;
            tree.search(row, nearest, usize::MAX, |_, distance| {
                nearest = distance;
                nearest
            });
            *out = -nearest;
        }
    }
}

/// The squared distance summed in sixteen parts, which is faster than one after the other and always the same.
fn squares_in_lanes(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0; 16];
    for (a, b) in a.0.iter().zip(b.0) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += (a - b) * (a - b));
    }
    sums.iter().sum::<f32>() + crate::nearest::squares(a.1, b.1)
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;
    use crate::classify::decide;
    use crate::nearest::squares;

    #[test]
    fn the_nearest_row_decides_and_absent_classes_never_win() {
        let x = array![[0.0, 0.0], [4.0, 0.0]];
        let model = NearestNeighbour::new(Labelled { x: &x, y: &[2, 0] }, 3).unwrap();
        let scores = model.scores(array![[1.0, 0.0], [3.0, 1.0]].view());
        assert_eq!(scores, array![[-9.0, f32::NEG_INFINITY, -1.0], [-2.0, f32::NEG_INFINITY, -10.0]]);
        assert_eq!(decide(&scores), [2, 0]);
    }

    /// What every exact way must give, to the last bit.
    fn by_definition(train: (&Array2<f32>, &[usize]), classes: usize, x: &Array2<f32>) -> Array2<f32> {
        let mut scores = Array2::from_elem((x.nrows(), classes), f32::NEG_INFINITY);
        for (row, mut out) in x.outer_iter().zip(scores.outer_iter_mut()) {
            for (other, &class) in train.0.outer_iter().zip(train.1) {
                out[class] = out[class].max(-squares(row.to_slice().unwrap(), other.to_slice().unwrap()));
            }
        }
        scores
    }

    /// Rows of whole numbers, of which some repeat, or of any: n training rows and as many others.
    fn rows(d: usize) -> impl Strategy<Value = (Array2<f32>, Array2<f32>)> {
        let value = prop_oneof![3 => (0..5_i8).prop_map(f32::from), 1 => -1e2_f32..1e2];
        (1_usize..150).prop_flat_map(move |n| {
            let matrix = prop::collection::vec(value.clone(), n * d);
            let matrix = matrix.prop_map(move |values| Array2::from_shape_vec((n, d), values).unwrap());
            (matrix.clone(), matrix)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn few_dimensions_and_few_rows_are_exact((x, others) in prop_oneof![rows(1), rows(3), rows(8), rows(9), rows(40)]) {
            let y: Vec<usize> = (0..x.nrows()).map(|row| [4, 0, 1][row * 7 % 3]).collect();
            let model = NearestNeighbour::new(Labelled { x: &x, y: &y }, 5).unwrap();
            prop_assert_eq!(model.scores(others.view()), by_definition((&x, &y), 5, &others));
        }
    }

    /// 3,000 rows of 30 dimensions around 40 places, of four classes.
    fn many() -> (Array2<f32>, Vec<usize>) {
        let noise = |row: usize, column: usize| ((row * 7919 + column * 104_729) % 1009) as f32 / 1009.0;
        let place = |row: usize, column: usize| ((row % 40 * 31 + column * 17) % 23) as f32;
        let x = Array2::from_shape_fn((3000, 30), |(row, column)| place(row, column) + noise(row, column));
        (x, (0..3000).map(|row| row % 40 % 4 + 1).collect())
    }

    #[test]
    fn of_many_long_rows_the_nearest_are_looked_at_and_no_class_is_left_out() {
        let (x, y) = many();
        let others = &x.slice(s![..;50, ..]) + 0.1;
        let model = NearestNeighbour::new(Labelled { x: &x, y: &y }, 6).unwrap();
        assert!(matches!(model.order, Order::OfCoordinates { .. }));
        let (scores, exact) = (model.scores(others.view()), by_definition((&x, &y), 6, &others));
        assert_eq!(decide(&scores), decide(&exact));
        for (score, exact) in scores.iter().zip(&exact) {
            assert_eq!(score.is_finite(), exact.is_finite(), "absent classes have none, the others have one");
            assert!(
                !exact.is_finite() || *score <= exact + exact.abs() * 1e-5,
                "no row is nearer than the nearest: {score}, {exact}"
            );
        }
        assert!(model.scores(x.slice(s![..20, ..])).outer_iter().all(|row| row.iter().any(|score| *score == 0.0)));
    }

    #[test]
    fn a_kept_model_finds_the_same_and_threads_change_nothing() {
        let (x, y) = many();
        let model = NearestNeighbour::new(Labelled { x: &x, y: &y }, 6).unwrap();
        let kept: NearestNeighbour = postcard::from_bytes(&postcard::to_stdvec(&model).unwrap()).unwrap();
        assert_eq!(kept, model);
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let others = x.slice(s![..;7, ..]).to_owned() * 1.01;
        assert_eq!(alone.install(|| kept.scores(others.view())), model.scores(others.view()));
    }
}
