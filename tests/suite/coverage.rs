//! A small part of `cargo bench --bench coverage`, with fixed seeds.

use featbench::stats::outcome::Rule;

#[path = "../../benches/coverage/draw.rs"]
mod draw;
#[path = "../../benches/coverage/laws.rs"]
mod laws;
#[path = "../../benches/coverage/resplits.rs"]
mod resplits;

use draw::{Cell, Counts, SCENES};
use laws::Law;
use resplits::Resplits;

const DRAWS: usize = 400;

fn run(scene: usize, images: usize, seeds: usize, accuracy: f64, difference: f64) -> Counts {
    let rule = Rule { margin: if difference > 0.0 { difference } else { 0.01 }, ..Rule::default() };
    let cell = Cell { scene: SCENES[scene], images, seeds, accuracy, difference, rule };
    cell.run(DRAWS, 7)
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    // three standard errors below 94 % of 400 draws
    let least = 362;
    for (scene, images, seeds, accuracy) in
        [(0, 50, 1, 0.99), (0, 100, 1, 0.9), (1, 200, 2, 0.995), (2, 100, 3, 0.7), (3, 200, 3, 0.9), (3, 50, 5, 0.5)]
    {
        let counts = run(scene, images, seeds, accuracy, 0.05);
        let held = [counts.accuracy[0], counts.accuracy[1], counts.difference];
        assert_eq!(counts.draws, DRAWS);
        assert!(
            held.iter().all(|&held| held >= least),
            "{}, {images}, {seeds}, {accuracy}: {counts:?}",
            SCENES[scene].name
        );
    }
}

#[test]
fn statements_are_seldom_false() {
    // three standard errors above 5 %
    let most = 33;
    for (scene, images, seeds, accuracy, difference) in [
        (0, 200, 1, 0.9, 0.0),
        (2, 100, 3, 0.9, 0.0),
        (3, 100, 5, 0.7, 0.0),
        (0, 500, 1, 0.95, 0.05),
        (0, 500, 3, 0.95, 0.05),
    ] {
        let Counts { better, worse, equivalent, not_worse, .. } = run(scene, images, seeds, accuracy, difference);
        let said = [better, worse, equivalent, not_worse];
        assert!(said.iter().all(|&said| said <= most), "{images}, {seeds}, {accuracy}, {difference}: {said:?}");
    }
}

#[test]
fn splits_that_are_drawn_again_hold_the_truth_too() {
    for (scene, images, splits, accuracy) in [(0, 120, 5, 0.9), (2, 250, 10, 0.7), (3, 60, 5, 0.95)] {
        let rule = Rule { margin: 0.05, ..Rule::default() };
        let cell = Resplits { scene: SCENES[scene], images, splits, accuracy, difference: 0.05, rule };
        let counts = cell.run(DRAWS, 7);
        let held = [counts.accuracy[0], counts.accuracy[1], counts.difference];
        assert!(held.iter().all(|&held| held >= 362), "{scene}, {images}, {splits}, {accuracy}: {counts:?}");
        assert!(counts.equivalent <= 33, "{scene}, {images}, {splits}, {accuracy}: {counts:?}");
    }
}

#[test]
fn forecasts_of_learning_curves_hold_known_laws() {
    let draws = 40;
    for (images, training, error, floor, exponent) in
        [(100, 0.1, 0.1, 0.5, 0.5), (200, 0.0, 0.3, 0.0, 0.3), (200, 0.1, 0.1, 0.0, 0.2)]
    {
        let held = Law { images, training, error, floor, exponent }.run(draws, 7);
        // three standard errors below 94 %
        let all = held.forecasts.into_iter().chain([held.gain]);
        assert!(all.into_iter().all(|held| held >= 33), "{images}, {error}, {floor}, {exponent}: {held:?}");
        assert!(held.width.iter().all(|&points| points < 100.0), "{held:?}");
    }
}
