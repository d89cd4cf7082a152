//! Gaussian smoothing of a plane: separable, mirrored at the borders without the border pixel itself. The same kernel,
//! and so the same values, as OpenCV's `GaussianBlur` of floats.

use super::Plane;
use crate::image::smooth::mirrored;
use crate::product::vectorised;

/// Standard deviation up to which nothing is blurred.
const SHARP: f64 = 0.3;

/// The plane under a Gaussian of `sigma` pixels.
pub fn blurred(plane: &Plane, sigma: f64) -> Plane {
    let kernel = gaussian(sigma);
    let mut out = Plane::zeros(plane.width, plane.height);
    vectorised(
        #[inline(always)]
        || blur(plane, &kernel, &mut out),
    );
    out
}

/// Does `sigma` change anything?
pub fn blurs(sigma: f64) -> bool {
    sigma > SHARP
}

/// As long as OpenCV makes it: four standard deviations on each side, rounded. Its sum is 1.
fn gaussian(sigma: f64) -> Vec<f32> {
    let reach = ((8.0 * sigma + 1.0).round_ties_even() as i32 | 1) / 2;
    let weight = |x: i32| (-0.5 * (f64::from(x) / sigma).powi(2)).exp();
    let sum: f64 = (-reach..=reach).map(weight).sum();
    (-reach..=reach).map(|x| (weight(x) / sum) as f32).collect()
}

#[inline(always)]
fn blur(plane: &Plane, kernel: &[f32], out: &mut Plane) {
    let (width, reach) = (plane.width, kernel.len() / 2);
    let mut padded = vec![0.0; width + 2 * reach];
    for y in 0..plane.height {
        let above = |k: usize| plane.row(mirrored((y + k) as isize - reach as isize, plane.height));
        weighted_sum(kernel, &mut padded[reach..][..width], above);
        for k in 0..reach {
            padded[k] = padded[reach + mirrored(k as isize - reach as isize, width)];
            padded[reach + width + k] = padded[reach + mirrored((width + k) as isize, width)];
        }
        weighted_sum(kernel, out.row_mut(y), |k| &padded[k..][..width]);
    }
}

/// `out = sum of kernel[k] row(k)`. Every pixel is summed in the same order, so that what is flat stays exactly flat.
#[inline(always)]
fn weighted_sum<'a>(kernel: &[f32], out: &mut [f32], row: impl Fn(usize) -> &'a [f32]) {
    let mut x = 0;
    x = blocks::<64>(kernel, out, x, &row);
    x = blocks::<8>(kernel, out, x, &row);
    blocks::<1>(kernel, out, x, &row);
}

/// Goes on from pixel `x` in blocks of `N`, whose sums stay in registers; gives the pixel where it stopped.
#[inline(always)]
fn blocks<'a, const N: usize>(kernel: &[f32], out: &mut [f32], x: usize, row: &impl Fn(usize) -> &'a [f32]) -> usize {
    let mut x = x;
    while x + N <= out.len() {
        let mut sums = [0.0_f32; N];
        for (k, &weight) in kernel.iter().enumerate() {
            let values = &row(k)[x..][..N];
            for lane in 0..N {
                sums[lane] += weight * values[lane];
            }
        }
        out[x..][..N].copy_from_slice(&sums);
        x += N;
    }
    x
}
