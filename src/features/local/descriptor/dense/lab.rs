//! CIE L*a*b* of whole planes: what `image::lab` gives pixel by pixel, side by side in registers.

use super::Plane;
use crate::image::lab::{LINEAR, XYZ};
use crate::product::vectorised;

/// Where the cube root gives way to a straight line.
const DARK: f32 = 0.008_856;

/// L*, a* and b*, each divided by 100, of red, green and blue planes from 0 to 1, which are rounded to 8 bits.
pub fn lab(rgb: &[Plane]) -> Vec<Plane> {
    let linear = &*LINEAR;
    let light = |plane: &Plane| {
        let light = plane.data.iter().map(|&value| linear[usize::from((value * 255.0 + 0.5) as u8)]);
        Plane { data: light.collect(), ..*plane }
    };
    let mut planes: Vec<Plane> = rgb.iter().map(light).collect();
    if let [red, green, blue] = &mut planes[..] {
        let (red, green, blue) = (&mut red.data[..], &mut green.data[..], &mut blue.data[..]);
        vectorised(
            #[inline(always)]
            || convert(red, green, blue),
        );
    }
    planes
}

#[inline(always)]
fn convert(red: &mut [f32], green: &mut [f32], blue: &mut [f32]) {
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let mix = |[x, y, z]: [f32; 3]| x * *r + y * *g + z * *b;
        let y = mix(XYZ[1]);
        let [fx, fy, fz] = [root(mix(XYZ[0])), root(y), root(mix(XYZ[2]))];
        *r = if y > DARK { 1.16 * fy - 0.16 } else { 9.033 * y };
        *g = 5.0 * (fx - fy);
        *b = 2.0 * (fy - fz);
    }
}

/// The cube root of a share of white, or the straight line in the dark.
#[inline(always)]
fn root(x: f32) -> f32 {
    if x > DARK { cube_root(x) } else { 7.787 * x + 16.0 / 116.0 }
}

/// From a third of the exponent, which is 4 % off at most, by two of Halley's steps, each of which triples the digits.
#[inline(always)]
fn cube_root(x: f32) -> f32 {
    let start = f32::from_bits(x.to_bits() / 3 + 709_921_077);
    let step = |y: f32| {
        let cube = y * y * y;
        y * (cube + 2.0 * x) / (2.0 * cube + x)
    };
    step(step(start))
}
