//! Machines against slow references, against linfa's, and in places where numbers are hard.

use ndarray::{Array1, Array2, array, s};

use super::*;
use crate::classify::dual::gram;
use crate::classify::{count_correct, decide};

const LINEAR: Point = Point { kernel: Kernel::Linear, c: 1.0 };
const LINFA: Options = Options { loss: Loss::Hinge, weights: Weights::Equal, solver: Solver::Linfa };

fn own(loss: Loss) -> Options {
    Options { loss, ..Options::default() }
}

/// Numbers of a fixed pattern between -0.5 and 0.5.
fn noise(i: usize, j: usize) -> f32 {
    ((i * 7919 + j * 104_729) % 1009) as f32 / 1009.0 - 0.5
}

/// Rows in four classes that overlap, in turn.
fn overlapping(n: usize, d: usize) -> (Array2<f32>, Vec<usize>) {
    let y: Vec<usize> = (0..n).map(|i| i % 4).collect();
    (Array2::from_shape_fn((n, d), |(i, j)| 2.0 * noise(i, j) + if j % 4 == y[i] { 0.6 } else { 0.0 }), y)
}

fn fit(point: Point, options: Options, x: &Array2<f32>, y: &[usize], classes: usize) -> OneVsRest {
    OneVsRest::fit(point, options, Labelled { x, y }, classes).unwrap()
}

/// Largest difference of two lists of scores.
fn apart(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    a.iter().zip(b).fold(0.0, |most, (a, b)| most.max((a - b).abs()))
}

/// The dual's best value for one class by two rows at a time, every pair in turn, in f64: slow and plain.
fn reference(kernel: &Array2<f64>, positive: &[bool], costs: &[f64], loss: Loss) -> f64 {
    let n = positive.len();
    let own = |i: usize| if loss == Loss::SquaredHinge { 0.5 / costs[i] } else { 0.0 };
    let bound = |i: usize| if loss == Loss::SquaredHinge { f64::INFINITY } else { costs[i] };
    let sign = |i: usize| if positive[i] { 1.0 } else { -1.0 };
    let mut beta = Array1::<f64>::zeros(n);
    let mut outputs = Array1::<f64>::zeros(n);
    for _ in 0..1000 {
        for i in 0..n {
            for j in 0..i {
                let slope = |k: usize| outputs[k] - sign(k) + own(k) * beta[k];
                let curve = kernel[(i, i)] + kernel[(j, j)] - 2.0 * kernel[(i, j)] + own(i) + own(j);
                let room = |k: usize, up: bool| match up == positive[k] {
                    true => bound(k) - beta[k].abs(),
                    false => beta[k].abs(),
                };
                let by = (slope(j) - slope(i)) / curve.max(1e-12);
                let by = by.min(room(i, true)).min(room(j, false)).max(-room(i, false)).max(-room(j, true));
                beta[i] += by;
                beta[j] -= by;
                outputs.scaled_add(by, &(&kernel.row(i) - &kernel.row(j)));
            }
        }
    }
    let squares: f64 = (0..n).map(|i| own(i) * beta[i] * beta[i]).sum();
    beta.mapv(f64::abs).sum() - 0.5 * (beta.dot(&outputs) + squares)
}

/// The primal value of a fitted linear machine, in f64.
fn primal(model: &OneVsRest, class: usize, x: &Array2<f32>, y: &[usize], costs: &[f64], loss: Loss) -> f64 {
    let (weights, intercepts) = model.as_linear().unwrap();
    let w = weights.column(class);
    let loss_of = |(i, row): (usize, ndarray::ArrayView1<f32>)| {
        let sign = if y[i] == class { 1.0 } else { -1.0 };
        let short = (1.0 - sign * (row.mapv(f64::from).dot(&w) + intercepts[class])).max(0.0);
        costs[i] * if loss == Loss::Hinge { short } else { short * short }
    };
    0.5 * w.dot(&w) + x.outer_iter().enumerate().map(loss_of).sum::<f64>()
}

#[test]
fn machines_are_as_good_as_a_slow_solver_says_is_possible() {
    let (x, y) = overlapping(32, 5);
    let kernel = x.mapv(f64::from).dot(&x.mapv(f64::from).t());
    // class 3 is rarer
    let rare: Vec<usize> =
        y.iter().enumerate().map(|(i, &class)| if class == 3 && i > 12 { 0 } else { class }).collect();
    for (loss, weights) in [
        (Loss::Hinge, Weights::Equal),
        (Loss::SquaredHinge, Weights::Equal),
        (Loss::Hinge, Weights::Balanced),
        (Loss::SquaredHinge, Weights::Balanced),
    ] {
        for c in [0.01, 0.5, 20.0] {
            let options = Options { loss, weights, solver: Solver::Featbench };
            let model = fit(Point { c, ..LINEAR }, options, &x, &rare, 4);
            for class in 0..4 {
                let count = |class: usize| rare.iter().filter(|&&label| label == class).count() as f64;
                let share = |class: usize| if weights == Weights::Balanced { 32.0 / (4.0 * count(class)) } else { 1.0 };
                let costs: Vec<f64> = rare.iter().map(|&class| c * share(class)).collect();
                let positive: Vec<bool> = rare.iter().map(|&label| label == class).collect();
                let best = reference(&kernel, &positive, &costs, loss);
                let reached = primal(&model, class, &x, &rare, &costs, loss);
                let place = format!("{loss:?} {weights:?} C={c} class {class}: {reached} against {best}");
                assert!(reached >= best * (1.0 - 1e-5) && reached <= best * (1.0 + 1.1e-3), "{place}");
            }
        }
    }
}

#[test]
fn scores_and_classes_are_those_of_linfa() {
    let (x, y) = overlapping(600, 12);
    // of a kernel that is not linear linfa gets a factor that leaves out a thousandth
    let rbf = Point { kernel: Kernel::Rbf { gamma: 0.1 }, c: 1.0 };
    for (point, tolerance) in [(LINEAR, 3e-2), (Point { c: 0.1, ..LINEAR }, 3e-2), (rbf, 0.1)] {
        let ours = fit(point, Options::default(), &x, &y, 4).scores(x.view());
        let theirs = fit(point, LINFA, &x, &y, 4).scores(x.view());
        assert!(apart(&ours, &theirs) < tolerance, "{point}: {}", apart(&ours, &theirs));
        for ((row, a), b) in ours.outer_iter().zip(decide(&ours)).zip(decide(&theirs)) {
            assert!(a == b || (row[a] - row[b]).abs() < tolerance, "{point}: only ties may differ: {row}");
        }
    }
}

#[test]
fn linfa_makes_machines_of_the_long_vectors_and_the_short_ones_alike() {
    let (x, y) = overlapping(100, 5);
    let mut long = Array2::zeros((100, 300));
    long.slice_mut(s![.., ..5]).assign(&x);
    let plain = fit(LINEAR, LINFA, &x, &y, 4).scores(x.view());
    let factored = fit(LINEAR, LINFA, &long, &y, 4).scores(long.view());
    assert!(apart(&plain, &factored) < 1e-2);
}

#[test]
fn beyond_its_number_of_rows_linfa_is_not_asked_and_the_record_says_so() {
    let (x, y) = overlapping(linfa::LARGEST + 1, 3);
    let point = Point { c: 0.01, ..LINEAR };
    let model = fit(point, LINFA, &x, &y, 4);
    assert_eq!(model.remark(Solver::Linfa), "solver=featbench (more than 2048 rows)");
    assert_eq!(model.scores(x.view()), fit(point, Options::default(), &x, &y, 4).scores(x.view()));
}

#[test]
fn above_the_matrix_machines_are_as_near_to_the_best_and_streaming_changes_nothing() {
    let (x, y) = overlapping(gram::LARGEST + 500, 6);
    for loss in [Loss::Hinge, Loss::SquaredHinge] {
        let model = fit(Point { c: 0.01, ..LINEAR }, own(loss), &x, &y, 4);
        assert!(model.gap() <= TOLERANCE, "{loss:?}: {}", model.gap());
        // rows that stand twice cost twice
        let some = 3000;
        let twice = ndarray::concatenate![ndarray::Axis(0), x.slice(s![..some, ..]), x.slice(s![..some, ..])];
        let two_of_each: Vec<usize> = y[..some].iter().chain(&y[..some]).copied().collect();
        let once = x.slice(s![..some, ..]).to_owned();
        let a = fit(Point { c: 0.01, ..LINEAR }, own(loss), &twice, &two_of_each, 4).scores(once.view());
        let b = fit(Point { c: 0.02, ..LINEAR }, own(loss), &once, &y[..some], 4).scores(once.view());
        assert!(apart(&a, &b) < 5e-2, "{loss:?}: {}", apart(&a, &b));
    }
    let model = fit(Point { kernel: Kernel::Rbf { gamma: 0.05 }, c: 0.1 }, Options::default(), &x, &y, 4);
    assert!(model.gap() <= TOLERANCE && count_correct(model.scores(x.view()).view(), &y) > x.nrows() / 2);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (x, y) = overlapping(300, 20);
    let rbf = Point { kernel: Kernel::Rbf { gamma: 0.1 }, c: 1.0 };
    let fits = || [LINEAR, rbf].map(|point| fit(point, Options::default(), &x, &y, 4));
    let by = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(fits);
    assert_eq!(by(1), by(3));
}

#[test]
fn scales_far_from_1_change_no_class() {
    let (x, y) = overlapping(120, 6);
    let expected = fit(LINEAR, Options::default(), &x, &y, 4).scores(x.view());
    for scale in [1e-12_f32, 1e-6, 1e6, 1e12] {
        let scaled = &x * scale;
        let c = 1.0 / f64::from(scale).powi(2);
        let model = fit(Point { c, ..LINEAR }, Options::default(), &scaled, &y, 4);
        assert!(model.gap() <= TOLERANCE, "{scale}: {}", model.gap());
        assert!(apart(&model.scores(scaled.view()), &expected) < 5e-2, "{scale}");
    }
}

#[test]
fn rows_that_tell_nothing_are_no_trouble() {
    let y = [2, 1, 0, 2, 1, 0];
    for x in [Array2::<f32>::ones((6, 2)), Array2::zeros((6, 3)), Array2::zeros((6, 0))] {
        let model = fit(LINEAR, Options::default(), &x, &y, 3);
        assert_eq!(decide(&model.scores(x.view())), [0; 6]);
        assert!(model.gap() <= TOLERANCE);
    }
}

#[test]
fn an_rbf_kernel_solves_what_no_plane_can() {
    let x = array![[0.0_f32, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]];
    let point = Point { kernel: Kernel::Rbf { gamma: 2.0 }, c: 10.0 };
    for options in [Options::default(), own(Loss::SquaredHinge), LINFA] {
        assert_eq!(decide(&fit(point, options, &x, &[0, 0, 1, 1], 2).scores(x.view())), [0, 0, 1, 1]);
    }
}

#[test]
fn one_row_a_class_is_enough_and_absent_classes_never_win() {
    let x = array![[1.0_f32, 0.0], [0.0, 1.0]];
    for options in [Options::default(), LINFA] {
        let scores = fit(LINEAR, options, &x, &[0, 2], 4).scores(x.view());
        assert_eq!(decide(&scores), [0, 2]);
        assert!([1, 3].iter().all(|&class| scores.column(class).iter().all(|v| *v == f32::NEG_INFINITY)));
        let one = OneVsRest::fit(LINEAR, options, Labelled { x: &x, y: &[1, 1] }, 3);
        assert!(matches!(one, Err(ClassifyError::TooFewClasses(1))));
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused_with_their_place() {
    let (mut x, y) = overlapping(40, 5);
    x[(17, 3)] = f32::NAN;
    for options in [Options::default(), LINFA] {
        let error = OneVsRest::fit(LINEAR, options, Labelled { x: &x, y: &y }, 4).unwrap_err().to_string();
        assert!(error.contains("row 17") && error.contains("index 3"), "{error}");
    }
}

#[test]
fn the_grid_counts_what_single_fits_get_right() {
    let (x, y) = overlapping(90, 5);
    let rbf = |c| Point { kernel: Kernel::Rbf { gamma: 0.5 }, c };
    let points = [Point { c: 0.01, ..LINEAR }, LINEAR, Point { c: 0.1, ..LINEAR }, rbf(1.0), rbf(10.0)];
    let rows = Labelled { x: &x, y: &y };
    let counted = count_correct_of(&points, Options::default(), rows, rows, 4).unwrap();
    for (point, counted) in points.into_iter().zip(counted) {
        let counted = counted.unwrap();
        let scores = fit(point, Options::default(), &x, &y, 4).scores(x.view());
        assert!(count_correct(scores.view(), &y).abs_diff(counted) <= 2, "{point}: {counted}");
    }
}

#[test]
fn of_many_rows_the_best_points_of_a_sample_are_fitted_on_all() {
    let (x, y) = overlapping(gram::SMALL + 900, 6);
    let rows = Labelled { x: &x, y: &y };
    let cs = [1e-7, 0.01, 1e-6, 0.1, 0.03, 1e-5, 0.3];
    let points = cs.map(|c| Point { c, ..LINEAR });
    let counted = count_correct_of(&points, Options::default(), rows, rows, 4).unwrap();
    assert_eq!(counted.iter().flatten().count(), 3);
    for (point, counted) in points.into_iter().zip(&counted) {
        assert!(counted.is_none() || point.c >= 0.01, "{point}");
        let right = count_correct(fit(point, Options::default(), &x, &y, 4).scores(x.view()).view(), &y);
        assert!(
            counted.is_none_or(|counted| counted.abs_diff(right) <= x.nrows() / 50),
            "{point}: {counted:?}, {right}"
        );
    }
    let few = count_correct_of(&points[..3], Options::default(), rows, rows, 4).unwrap();
    assert!(few.iter().all(Option::is_some), "three are no more than the second round has");
}

#[test]
fn a_fit_that_was_left_early_says_so() {
    let (x, y) = overlapping(40, 5);
    let model = fit(LINEAR, Options::default(), &x, &y, 4);
    assert_eq!(model.remark(Solver::Featbench), "");
    let left = OneVsRest { gap: 0.0123, ..model };
    for solver in [Solver::Featbench, Solver::Linfa] {
        assert_eq!(left.remark(solver), "gap=1.2e-2 (not converged)");
    }
    let left = OneVsRest { gap: 0.0012, ..left };
    assert_eq!(left.remark(Solver::Featbench), "gap=1.2e-3 (not converged)");
    assert_eq!(left.remark(Solver::Linfa), "", "it does not stop by the gap");
}

#[test]
fn settings_without_the_new_keys_are_what_they_were() {
    let old = "scale = \"none\"\nlinear_c = [1.0]\n";
    let settings: SvmSettings = toml::from_str(old).unwrap();
    assert_eq!(settings.options(), Options::default());
    let text = toml::to_string(&settings).unwrap();
    assert!(!["loss", "weights", "solver"].iter().any(|key| text.contains(key)), "{text}");
    let keys = "loss = \"squared-hinge\"\nweights = \"balanced\"\n";
    let settings: SvmSettings = toml::from_str(&format!("{old}{keys}")).unwrap();
    assert_eq!((settings.loss, settings.weights), (Loss::SquaredHinge, Weights::Balanced));
    let refused: SvmSettings = toml::from_str(&format!("{old}{keys}solver = \"linfa\"\n")).unwrap();
    assert!(refused.check().unwrap_err().contains("linfa"));
}
