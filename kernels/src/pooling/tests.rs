//! Pooling against its definition, pixel by pixel.

use super::*;
use crate::testing::{Numbers, error};
use crate::{Isa, Scratch, Serial, Threads};

/// The pixels that a window sees, with their taps, and how many pixels of image and padding it covers.
fn window(w: &Window, [row, column]: [usize; 2]) -> (Vec<(usize, [usize; 2])>, usize) {
    let (mut seen, mut covered) = (Vec::new(), 0);
    for tap in 0..w.kernel[0] * w.kernel[1] {
        let (y, x) = (row * w.stride[0] + tap / w.kernel[1], column * w.stride[1] + tap % w.kernel[1]);
        let padded = [0, 1].map(|axis| w.input[axis] + w.padding[axis] + w.padding[axis + 2]);
        covered += usize::from(y < padded[0] && x < padded[1]);
        match (y.checked_sub(w.padding[0]), x.checked_sub(w.padding[1])) {
            (Some(y), Some(x)) if y < w.input[0] && x < w.input[1] => seen.push((tap, [y, x])),
            _ => {}
        }
    }
    (seen, covered)
}

fn windows() -> Vec<Window> {
    let mut all = Vec::new();
    for (side, kernel, stride, padding) in [
        (1, 1, 1, 0),
        (7, 3, 2, 1),
        (8, 3, 2, 1),
        (9, 2, 2, 0),
        (5, 3, 1, 1),
        (6, 5, 3, 2),
        (11, 3, 4, 0),
        (4, 4, 1, 0),
    ] {
        for channels in [1, 17, 64, 75] {
            for ceil in [false, true] {
                all.push(Window {
                    input: [side, side + 1],
                    channels,
                    kernel: [kernel; 2],
                    stride: [stride; 2],
                    padding: [padding; 4],
                    ceil,
                });
            }
        }
    }
    all.push(Window { input: [9, 7], channels: 5, kernel: [3, 2], stride: [2, 1], padding: [2, 0, 1, 1], ceil: false });
    all
}

#[test]
fn maxima_and_averages_are_their_definition() {
    let scratch = Scratch::new();
    for (isa, w) in Isa::available().into_iter().flat_map(|isa| windows().into_iter().map(move |w| (isa, w))) {
        let run = Run { isa, pool: &Threads(2), scratch: &scratch };
        let pooling = Pooling::new(w).unwrap();
        let ([rows, columns], images) = (pooling.output(), 2);
        let mut numbers = Numbers::new(w.channels as u64);
        let mut x = numbers.take(images * w.input[0] * w.input[1] * w.channels);
        // some equals
        x.iter_mut().for_each(|x| *x = (*x * 8.0).round());
        let dy = numbers.take(images * rows * columns * w.channels);
        let (mut max, mut max_dx) = (vec![0.0f64; dy.len()], vec![0.0f64; x.len()]);
        let mut average = [vec![0.0f64; dy.len()], vec![0.0f64; dy.len()]];
        let mut average_dx = [vec![0.0f64; x.len()], vec![0.0f64; x.len()]];
        for (to, &dy) in dy.iter().enumerate() {
            let (pixel, channel) = (to / w.channels, to % w.channels);
            let (image, place) = (pixel / (rows * columns), [pixel / columns % rows, pixel % columns]);
            let (seen, covered) = window(&w, place);
            let from = |[y, x]: [usize; 2]| ((image * w.input[0] + y) * w.input[1] + x) * w.channels + channel;
            let mut best = from(seen[0].1);
            for &(_, pixel) in &seen {
                best = if x[from(pixel)] > x[best] { from(pixel) } else { best };
                for (kind, count) in [seen.len(), covered].into_iter().enumerate() {
                    average[kind][to] += f64::from(x[from(pixel)]) / count as f64;
                    average_dx[kind][from(pixel)] += f64::from(dy) / count as f64;
                }
            }
            max[to] = f64::from(x[best]);
            max_dx[best] += f64::from(dy);
        }
        let (mut y, mut places, mut dx) = (vec![f32::NAN; dy.len()], vec![0; dy.len()], vec![f32::NAN; x.len()]);
        pooling.max(run, &x, &mut y, Some(&mut places));
        assert_eq!(error(&y, &max), 0.0, "{w:?}");
        y.fill(f32::NAN);
        pooling.max(run, &x, &mut y, None);
        assert_eq!(error(&y, &max), 0.0, "{w:?}");
        pooling.max_gradient(run, &dy, &places, &mut dx);
        assert!(error(&dx, &max_dx) < 1e-6, "{w:?}");
        for (kind, with_padding) in [false, true].into_iter().enumerate() {
            pooling.average(run, &x, with_padding, &mut y);
            pooling.average_gradient(run, &dy, with_padding, &mut dx);
            assert!(error(&y, &average[kind]) < 1e-6 && error(&dx, &average_dx[kind]) < 1e-6, "{w:?} {with_padding}");
        }
    }
}

#[test]
fn a_global_average_and_what_is_no_number() {
    let scratch = Scratch::new();
    let run = Run { isa: Isa::detect(), pool: &Serial, scratch: &scratch };
    let pooling = Pooling::global([2, 2], 1).unwrap();
    let mut y = [0.0];
    pooling.average(run, &[1.0, 2.0, 3.0, 6.0], false, &mut y);
    assert_eq!((pooling.output(), y), ([1, 1], [3.0]));
    pooling.max(run, &[1.0, f32::NAN, 3.0, 6.0], &mut y, None);
    assert!(y[0].is_nan());
    let padded = Pooling::new(Window { padding: [1; 4], kernel: [2; 2], ..*pooling.window() }).unwrap();
    let (mut y, mut places) = ([0.0; 9], [0; 9]);
    padded.max(run, &[f32::NEG_INFINITY; 4], &mut y, Some(&mut places));
    assert_eq!(places, [3, 2, 2, 1, 0, 0, 1, 0, 0]);
}

#[test]
fn windows_that_can_not_be() {
    let base = Window { input: [4, 4], channels: 2, kernel: [2; 2], stride: [1; 2], padding: [0; 4], ceil: false };
    for (window, expected) in [
        (Window { stride: [1, 0], ..base }, "a stride is 0, but it must be at least 1"),
        (Window { padding: [0, 2, 0, 0], ..base }, "a padding of [0, 2, 0, 0] must be below the window's [2, 2]"),
        (Window { kernel: [5, 2], ..base }, "the kernel reaches over [5, 2] pixels, but the padded image has [4, 4]"),
    ] {
        assert_eq!(Pooling::new(window).unwrap_err().to_string(), expected);
    }
}
