//! The shared parts, against the plainest way to the same numbers.

use std::borrow::Cow;

use opencv::core::{Mat, MatTraitConstManual, Size};
use opencv::imgproc::gaussian_blur_def;

use super::super::keypoints::tame;
use super::blur::blurred;
use super::lab::lab;
use super::orientation::{Gradients, shares};
use super::pooling::{Lanes, Outside, Points, Rows, pooled};
use super::{Grid, Plane, Seen, Sizes, naive, resized};
use crate::image::{self, Rgb};

fn plane(image: &naive::Image) -> Plane {
    let data = image.iter().flatten().map(|&value| value as f32).collect();
    Plane { width: image[0].len(), height: image.len(), data }
}

fn distance(plane: &Plane, image: &naive::Image) -> f64 {
    assert_eq!((plane.height, plane.width), (image.len(), image[0].len()));
    let pairs = plane.data.iter().zip(image.iter().flatten());
    pairs.map(|(&found, expected)| (f64::from(found) - expected).abs()).fold(0.0, f64::max)
}

#[test]
fn a_blur_is_a_mirrored_gaussian() {
    for (width, height) in [(1, 1), (1, 9), (7, 2), (67, 31), (150, 5)] {
        let image = naive::grey(&naive::noise(width, height));
        for sigma in [0.5, 2.0 / 3.0, 4.0 / 3.0, 2.0, 3.0] {
            assert!(distance(&blurred(&plane(&image), sigma), &naive::blurred(&image, sigma)) < 1e-6);
        }
    }
}

#[test]
fn a_blur_is_that_of_opencv() {
    tame().unwrap();
    for (width, height) in [(67, 31), (9, 40), (150, 5)] {
        let plane = plane(&naive::grey(&naive::noise(width, height)));
        let image = Mat::new_rows_cols_with_data(height as i32, width as i32, &plane.data).unwrap();
        for sigma in [0.5, 2.0 / 3.0, 1.0, 4.0 / 3.0, 2.0] {
            let mut expected = Mat::default();
            gaussian_blur_def(&image, &mut expected, Size::new(0, 0), sigma).unwrap();
            let expected = expected.data_typed::<f32>().unwrap();
            let near = |(found, expected): (&f32, &f32)| (found - expected).abs() < 1e-5;
            assert!(blurred(&plane, sigma).data.iter().zip(expected).all(near), "{width} x {height}, {sigma}");
        }
    }
}

#[test]
fn angles_are_exact_to_a_hundred_thousandth_of_a_turn() {
    for step in 0..100_000 {
        let turn = f64::from(step) / 100_000.0;
        let (y, x) = (turn * std::f64::consts::TAU).sin_cos();
        // a pixel whose right and lower neighbours are brighter by x and y
        let plane = Plane { width: 2, height: 2, data: vec![0.0, x as f32, y as f32, 0.0] };
        let mut gradients = Gradients::default();
        gradients.of_row(&plane, 0);
        let away = (f64::from(gradients.angles[0]) / 8.0 - turn).abs();
        assert!(away.min(1.0 - away) < 1e-6, "{turn}");
        assert!((gradients.magnitudes[0] - 1.0).abs() < 1e-6);
    }
}

#[test]
fn the_two_nearest_directions_share_a_gradient() {
    assert_eq!(shares(2.0, 3.25), [0.0, 0.0, 0.0, 1.5, 0.5, 0.0, 0.0, 0.0]);
    assert_eq!(shares(2.0, 7.75), [1.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]);
    assert_eq!(shares(2.0, 8.0), shares(2.0, 0.0));
}

/// A picture in one of the lanes.
struct OneLane<'a>(&'a Plane, usize);

impl Rows for OneLane<'_> {
    fn width(&self) -> usize {
        self.0.width
    }

    fn height(&self) -> usize {
        self.0.height
    }

    fn turn_to(&mut self, y: usize) {
        self.1 = y;
    }

    fn at(&self, x: usize) -> Lanes {
        [0.0, 0.0, self.0.row(self.1)[x], 0.0, 0.0, 0.0, 0.0, 1.0]
    }
}

/// The largest difference from the naive windows of `size` at every lattice point within the picture.
fn pooling_error(points: &Points, image: &naive::Image, size: usize, spacing: usize, outside: Outside) -> f64 {
    let mut error = 0.0_f64;
    for y in (0..image.len()).step_by(spacing) {
        for x in (0..image[0].len()).step_by(spacing) {
            let point = (points.before + y / spacing) * points.columns + points.before + x / spacing;
            let (sum, weight) = naive::window(image, (y, x), size, outside == Outside::Border);
            let found = points.data[point];
            error = error.max((f64::from(found[2]) - sum).abs()).max((f64::from(found[7]) - weight).abs());
        }
    }
    error
}

#[test]
fn triangles_on_a_lattice_are_those_on_pixels() {
    for (width, height) in [(1, 1), (2, 1), (3, 11), (8, 9), (40, 17), (37, 50)] {
        let image = naive::grey(&naive::noise(width, height));
        let plane = plane(&image);
        for outside in [Outside::Zero, Outside::Border] {
            for spacing in [1, 2, 3, 4, 7] {
                let points = pooled(&mut OneLane(&plane, 0), spacing, outside);
                assert!(pooling_error(&points, &image, spacing, spacing, outside) < 1e-5);
                for (half_width, every) in [(1, 1), (2, 1), (3, 1), (2, 2), (4, 2), (6, 3)] {
                    let wide = points.widened(half_width, every);
                    let error = pooling_error(&wide, &image, half_width * spacing, every * spacing, outside);
                    assert!(error < 1e-5, "{width} x {height}, {spacing}, {half_width}, {every}: {error}");
                }
            }
        }
    }
}

#[test]
fn reducing_takes_means_of_areas() {
    let picture = Plane { width: 5, height: 2, data: (0..10_u8).map(f32::from).collect() };
    let smaller = resized(Cow::Borrowed(&picture), 2, 1).into_owned();
    // 2.5 pixels wide: 0, 1 and half of 2; half of 2, 3 and 4; both rows
    let near = |found: f32, expected: f32| (found - expected).abs() < 1e-6;
    assert!(near(smaller.data[0], 0.8 + 2.5) && near(smaller.data[1], 3.2 + 2.5), "{smaller:?}");
    let (found, mean) = (resized(Cow::Borrowed(&picture), 1, 1), 4.5);
    assert!(near(found.data[0], mean));
    assert_eq!(resized(Cow::Borrowed(&picture), 5, 2).into_owned(), picture);
}

#[test]
fn the_cap_and_the_factor_hold_and_places_lie_in_the_picture_as_given() {
    let picture = naive::noise(200, 101);
    let seen = |longer, reduce| Seen::grey(&(&picture).into(), longer, reduce);
    let size = |seen: &Seen| (seen.width(), seen.height());
    assert_eq!(size(&seen(None, 1)), (200, 101));
    assert_eq!(size(&seen(Some(400), 1)), (200, 101));
    assert_eq!(size(&seen(Some(100), 1)), (100, 51));
    assert_eq!(size(&seen(Some(100), 2)), (50, 26));
    assert_eq!(size(&seen(Some(1), 100)), (1, 1));
    // the middle of the third pixel of 100, of 2 pixels each
    let place = seen(Some(100), 1).place(2.0, 0.0, 10.0);
    assert!((place.x - 4.5).abs() < 1e-5 && (place.size - 20.0).abs() < 0.2, "{place:?}");
}

#[test]
fn lab_is_that_of_single_pixels() {
    let bytes: Vec<u8> = (0..=255).step_by(15).collect();
    let pairs = bytes.iter().flat_map(|&r| bytes.iter().map(move |&g| (r, g)));
    let data: Vec<u8> = pairs.flat_map(|(r, g)| bytes.iter().flat_map(move |&b| [r, g, b])).collect();
    let picture = Rgb { width: data.len() as u32 / 3, height: 1, data };
    let planes = lab(&Seen::colour(&(&picture).into(), None, 1).planes);
    for (at, pixel) in picture.data.as_chunks::<3>().0.iter().enumerate() {
        for (channel, expected) in image::lab::lab(*pixel).into_iter().enumerate() {
            let found = 100.0 * planes[channel].data[at];
            assert!((found - expected).abs() < 1e-3, "{pixel:?}: {found} is not {expected}");
        }
    }
}

fn two_grids() -> Grid {
    let sizes = |shorter, sizes: &[u32], step| Sizes { shorter, sizes: sizes.to_vec(), step };
    Grid { grids: vec![sizes(10, &[2, 3], 1), sizes(100, &[4, 50], 8)], ..naive::grid(&[], 1, false) }
}

#[test]
fn the_shorter_side_chooses_the_grid() {
    let grid = two_grids();
    let found = |width, height| grid.lattices(width, height).iter().map(|l| (l.size, l.step)).collect::<Vec<_>>();
    assert_eq!(found(9, 400), []);
    assert_eq!(found(10, 400), [(2, 1), (3, 1)]);
    assert_eq!(found(400, 99), [(2, 1), (3, 1)]);
    // the larger size does not fit
    assert_eq!(found(100, 400), [(4, 8)]);
    assert_eq!(found(151, 400), [(4, 8), (50, 8)]);
}

#[test]
fn a_grid_that_makes_no_sense_is_refused() {
    let broken = |change: fn(&mut Grid)| {
        let mut grid = two_grids();
        assert_eq!(grid.check(), Ok(()));
        change(&mut grid);
        grid.check().unwrap_err()
    };
    assert!(broken(|grid| grid.longer = Some(0)).contains("longer"));
    assert!(broken(|grid| grid.reduce = 0).contains("reduce"));
    assert!(broken(|grid| grid.grids.clear()).contains("grids"));
    assert!(broken(|grid| grid.grids.reverse()).contains("shorter"));
    assert!(broken(|grid| grid.grids[1].sizes.clear()).contains("sizes"));
    assert!(broken(|grid| grid.grids[0].sizes.push(0)).contains("sizes"));
    assert!(broken(|grid| grid.grids[0].step = 0).contains("step"));
}

#[test]
fn settings_are_those_of_the_file() {
    let read = |text: &str| toml::from_str::<Grid>(text);
    let given = "longer = 320\nsmooth = true\ngrids = [{ shorter = 0, sizes = [3, 4], step = 2 }]";
    let expected = Grid { longer: Some(320), ..naive::grid(&[3, 4], 2, true) };
    assert_eq!(read(given).unwrap(), expected);
    assert_eq!(read("grids = [{ shorter = 0, sizes = [3], step = 2 }]").unwrap(), naive::grid(&[3], 2, false));
    assert!(read("grids = [{ shorter = 0, sizes = [3], step = 2, stride = 2 }]").is_err());
    assert!(read("smoothed = true\ngrids = [{ shorter = 0, sizes = [3], step = 2 }]").is_err());
}
