//! CIE L*a*b* of 8-bit sRGB under D65, as OpenCV's `COLOR_RGB2Lab` of floats defines it.

use super::Plane;
use crate::product::vectorised;

/// Linear sRGB to X, Y and Z, each divided by that of white.
const TO_XYZ: [[f32; 3]; 3] = [
    [0.412_453 / 0.950_456, 0.357_580 / 0.950_456, 0.180_423 / 0.950_456],
    [0.212_671, 0.715_160, 0.072_169],
    [0.019_334 / 1.088_754, 0.119_193 / 1.088_754, 0.950_227 / 1.088_754],
];
/// Where the cube root gives way to a straight line.
const DARK: f32 = 0.008_856;

/// Light of an 8-bit value from 0 to 1.
#[derive(Debug, Clone)]
pub struct Lab {
    light: [f32; 256],
}

impl Lab {
    pub fn new() -> Lab {
        let light = |byte: usize| {
            let value = byte as f64 / 255.0;
            let light = if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
            light as f32
        };
        Lab { light: std::array::from_fn(light) }
    }

    /// L*, a* and b*, each divided by 100, of red, green and blue planes from 0 to 1, which are rounded to 8 bits.
    pub fn of(&self, rgb: &[Plane]) -> Vec<Plane> {
        let light = |plane: &Plane| {
            let light = plane.data.iter().map(|&value| self.light[(value * 255.0 + 0.5) as u8 as usize]);
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
}

#[inline(always)]
fn convert(red: &mut [f32], green: &mut [f32], blue: &mut [f32]) {
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        let mix = |[x, y, z]: [f32; 3]| x * *r + y * *g + z * *b;
        let y = mix(TO_XYZ[1]);
        let [fx, fy, fz] = [root(mix(TO_XYZ[0])), root(y), root(mix(TO_XYZ[2]))];
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
