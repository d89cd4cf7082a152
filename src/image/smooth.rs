//! Grey pictures made smaller by whole numbers, smoother, or into their edges: as OpenCV does it with 8-bit pictures, to
//! the bit.

use std::array;

use crate::product::vectorised;

use super::Grey;

/// Each block of `by` x `by` pixels becomes its mean, as by OpenCV's `INTER_AREA`; what is left over at the right and
/// at the bottom is dropped. Empty where a side is shorter than `by`.
pub fn reduce(grey: &Grey, by: u32) -> Grey {
    let (width, height) = (grey.width / by, grey.height / by);
    if width == 0 || height == 0 {
        return Grey { width: 0, height: 0, data: Vec::new() };
    }
    let data = if by == 2 { halved(grey, width as usize) } else { averaged(grey, by as usize, width as usize) };
    Grey { width, height, data }
}

/// Means of 2 x 2 pixels, halves rounded up.
fn halved(grey: &Grey, width: usize) -> Vec<u8> {
    let row = grey.width as usize;
    let mut data = vec![0; width * (grey.height / 2) as usize];
    for (out, rows) in data.chunks_exact_mut(width).zip(grey.data.chunks_exact(2 * row)) {
        let (above, below) = rows.split_at(row);
        let pairs = above.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
        for (out, (a, b)) in out.iter_mut().zip(pairs) {
            *out = ((u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]) + 2) >> 2) as u8;
        }
    }
    data
}

/// Means of `by` x `by` pixels, halves rounded to even as OpenCV's floats are.
fn averaged(grey: &Grey, by: usize, width: usize) -> Vec<u8> {
    let row = grey.width as usize;
    let share = 1.0 / (by * by) as f32;
    let mut sums = vec![0_u16; width * by];
    let mut data = vec![0; width * (grey.height as usize / by)];
    for (out, rows) in data.chunks_exact_mut(width).zip(grey.data.chunks_exact(by * row)) {
        sums.fill(0);
        for line in rows.chunks_exact(row) {
            sums.iter_mut().zip(line).for_each(|(sum, &value)| *sum += u16::from(value));
        }
        for (out, sums) in out.iter_mut().zip(sums.chunks_exact(by)) {
            let sum: u32 = sums.iter().map(|&sum| u32::from(sum)).sum();
            *out = (sum as f32 * share).round_ties_even() as u8;
        }
    }
    data
}

/// Lengths of the Sobel gradients, a quarter of them and at most 255, of the pixels that have all their neighbours.
pub fn edges(grey: &Grey) -> Grey {
    let (row, rows) = (grey.width as usize, grey.height as usize);
    let (width, height) = (row.saturating_sub(2), rows.saturating_sub(2));
    if width == 0 || height == 0 {
        return Grey { width: 0, height: 0, data: Vec::new() };
    }
    let mut data = vec![0; width * height];
    vectorised(
        #[inline(always)]
        || {
            for (y, out) in data.chunks_exact_mut(width).enumerate() {
                let lines: [[&[u8]; 3]; 3] =
                    array::from_fn(|v| array::from_fn(|u| &grey.data[(y + v) * row + u..][..width]));
                for (x, out) in out.iter_mut().enumerate() {
                    let [[a, b, c], [d, _, f], [g, h, i]] = lines.map(|line| line.map(|line| i32::from(line[x])));
                    let (right, down) = (c + 2 * f + i - a - 2 * d - g, g + 2 * h + i - a - 2 * b - c);
                    let length = ((right * right + down * down) as f32).sqrt();
                    *out = (0.25 * length).min(255.0) as u8;
                }
            }
        },
    );
    Grey { width: width as u32, height: height as u32, data }
}

/// A Gaussian of this standard deviation in pixels, its weights in 256ths (OpenCV's `GaussianBlur` of 8-bit pictures,
/// `modules/imgproc/src/smooth.dispatch.cpp`); beyond an edge the picture is mirrored about its outermost pixels.
pub fn blur(grey: &Grey, sigma: f64) -> Grey {
    let (width, height) = (grey.width as usize, grey.height as usize);
    if width == 0 || height == 0 {
        return grey.clone();
    }
    let weights = weights(sigma);
    let reach = weights.len() / 2;
    // whole numbers below 2^24 all the time, so that floats are exact; every processor multiplies them side by side
    let mut padded = vec![0.0_f32; width + 2 * reach];
    let mut narrowed = vec![0.0_f32; width * height];
    for (out, line) in narrowed.chunks_exact_mut(width).zip(grey.data.chunks_exact(width)) {
        padded[reach..].iter_mut().zip(line).for_each(|(value, &byte)| *value = f32::from(byte));
        for i in (0..reach).chain(reach + width..width + 2 * reach) {
            padded[i] = f32::from(line[mirrored(i as isize - reach as isize, width)]);
        }
        for (k, weight) in weights.iter().enumerate() {
            out.iter_mut().zip(&padded[k..]).for_each(|(out, value)| *out += weight * value);
        }
    }
    let mut sums = vec![0.0_f32; width];
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        // halves are rounded up
        sums.fill(32_768.0);
        for (k, weight) in weights.iter().enumerate() {
            let line = mirrored((y + k) as isize - reach as isize, height) * width;
            let line = &narrowed[line..][..width];
            sums.iter_mut().zip(line).for_each(|(sum, value)| *sum += weight * value);
        }
        data.extend(sums.iter().map(|&sum| (sum as i32 >> 16) as u8));
    }
    Grey { width: grey.width, height: grey.height, data }
}

/// Weights in 256ths, 256 in all: what rounding leaves over goes to the next one, and the rest to the middle.
fn weights(sigma: f64) -> Vec<f32> {
    let reach = ((sigma * 6.0 + 1.0).round_ties_even() as usize | 1) / 2;
    let bell: Vec<f64> = (0..=reach).map(|i| (-0.5 * ((reach - i) as f64 / sigma).powi(2)).exp()).collect();
    let total = 2.0 * bell[..reach].iter().sum::<f64>() + bell[reach];
    let mut over = 0.0;
    let mut weights: Vec<f32> = bell[..reach]
        .iter()
        .map(|value| {
            let wanted = value / total * 256.0 + over;
            let rounded = wanted.round_ties_even();
            over = wanted - rounded;
            rounded as f32
        })
        .collect();
    let middle = 256.0 - 2.0 * weights.iter().sum::<f32>();
    weights.push(middle);
    weights.extend_from_within(..reach);
    weights[reach + 1..].reverse();
    weights
}

/// The place within `0..length` that a place beyond it shows: ... 2 1 | 0 1 2 ...
pub fn mirrored(place: isize, length: usize) -> usize {
    let period = (2 * (length - 1)).max(1) as isize;
    let place = place.rem_euclid(period);
    place.min(period - place) as usize % length
}

#[cfg(test)]
mod tests {
    use opencv::core::{CV_32F, Mat, MatTraitConst, MatTraitConstManual, Size};
    use opencv::imgproc::{INTER_AREA, gaussian_blur_def};

    use super::*;
    use crate::image::{canvas, drawn};

    fn pattern(width: u32, height: u32) -> Grey {
        canvas::grey(&drawn::pattern(width, height))
    }

    fn mat(grey: &Grey) -> Mat {
        let (rows, columns) = (grey.height as i32, grey.width as i32);
        Mat::new_rows_cols_with_bytes::<u8>(rows, columns, &grey.data).unwrap().try_clone().unwrap()
    }

    #[test]
    fn reduced_pictures_are_those_of_opencv() {
        for (width, height) in [(96, 96), (120, 84), (12, 36)] {
            let grey = pattern(width, height);
            for by in [1, 2, 3, 4, 6] {
                let mut expected = Mat::default();
                let size = Size::new((width / by) as i32, (height / by) as i32);
                opencv::imgproc::resize(&mat(&grey), &mut expected, size, 0.0, 0.0, INTER_AREA).unwrap();
                assert_eq!(reduce(&grey, by).data, expected.data_bytes().unwrap(), "{width} x {height} by {by}");
            }
        }
    }

    #[test]
    fn what_is_left_over_is_dropped() {
        let grey = Grey { width: 5, height: 3, data: vec![1, 3, 10, 20, 99, 5, 7, 30, 40, 99, 9, 9, 9, 9, 9] };
        assert_eq!(reduce(&grey, 2), Grey { width: 2, height: 1, data: vec![4, 25] });
        assert_eq!(reduce(&grey, 4), Grey { width: 0, height: 0, data: Vec::new() });
    }

    #[test]
    fn blurred_pictures_are_those_of_opencv() {
        for (width, height) in [(96, 64), (31, 17), (3, 2), (1, 9), (1, 1)] {
            let grey = pattern(width, height);
            for sigma in [0.1, 0.6, 0.8, 1.6, 3.2] {
                let mut expected = Mat::default();
                gaussian_blur_def(&mat(&grey), &mut expected, Size::new(0, 0), sigma).unwrap();
                let blurred = blur(&grey, sigma);
                assert_eq!(blurred.data, expected.data_bytes().unwrap(), "{width} x {height}, {sigma}");
            }
        }
    }

    #[test]
    fn edges_are_the_lengths_of_gradients() {
        let grey = pattern(37, 22);
        let mat = mat(&grey);
        let gradient = |right: i32, down: i32| {
            let mut of = Mat::default();
            opencv::imgproc::sobel_def(&mat, &mut of, CV_32F, right, down).unwrap();
            of
        };
        let (right, down) = (gradient(1, 0), gradient(0, 1));
        let found = edges(&grey);
        assert_eq!((found.width, found.height), (35, 20));
        for (i, &found) in found.data.iter().enumerate() {
            let at = |of: &Mat| *of.at_2d::<f32>(i as i32 / 35 + 1, i as i32 % 35 + 1).unwrap();
            assert_eq!(found, (at(&right).hypot(at(&down)) / 4.0) as u8);
        }
    }
}
