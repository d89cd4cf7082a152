//! What covers a part.

use super::dice::{floor, fractal, share, smooth};
use crate::image::degrade::hash;

/// A pattern of two colours in a part's own coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texture {
    Plain,
    Stripes,
    Hoops,
    Checks,
    Dots,
    Zigzag,
    Bricks,
    Net,
    Blotches,
    Grain,
    Halves,
    Scales,
}

impl Texture {
    pub const ALL: [Texture; 12] = [
        Texture::Plain,
        Texture::Stripes,
        Texture::Hoops,
        Texture::Checks,
        Texture::Dots,
        Texture::Zigzag,
        Texture::Bricks,
        Texture::Net,
        Texture::Blotches,
        Texture::Grain,
        Texture::Halves,
        Texture::Scales,
    ];

    /// The second colour's share, 0 to 1, at a place that is measured in periods of the pattern from the part's
    /// middle; one pixel is `pixel` periods wide.
    pub fn share(self, x: f32, y: f32, pixel: f32, seed: u32) -> f32 {
        // 1 where `distance` is below 0, blended over a pixel
        let inside = |distance: f32| smooth(0.5 - distance / (2.0 * pixel));
        let band = |x: f32| inside(wave(x) - 0.5);
        match self {
            Texture::Plain => 0.0,
            Texture::Stripes => band(x),
            Texture::Hoops => band((x * x + y * y).sqrt()),
            Texture::Checks => {
                let (a, b) = (band(x), band(y));
                a + b - 2.0 * a * b
            }
            Texture::Dots => inside(length(edge(x), edge(y)) - 0.3),
            Texture::Zigzag => band(x + 0.5 * wave(y)),
            Texture::Bricks => {
                let shifted = if floor(y).rem_euclid(2) == 0 { x } else { x + 0.5 };
                inside(0.14 - edge(y)).min(inside(0.09 - edge(shifted * 0.6)))
            }
            Texture::Net => inside(edge(x + y).min(edge(x - y)) - 0.1),
            Texture::Blotches => smooth((fractal(x + 40.0, y + 40.0, seed, 2) - 0.5) / (0.4 * pixel).max(0.06) + 0.5),
            Texture::Grain => share(hash(((x + 40.0) * 6.0) as u32, ((y + 40.0) * 6.0) as u32, seed)),
            Texture::Halves => inside(x),
            Texture::Scales => {
                let row = floor(y);
                let shifted = if row.rem_euclid(2) == 0 { x } else { x + 0.5 };
                inside((length(edge(shifted), (y - row as f32) * 0.8) - 0.45).abs() - 0.08)
            }
        }
    }
}

/// From 0 at whole numbers to 1 between two of them.
fn wave(x: f32) -> f32 {
    2.0 * edge(x)
}

/// How far the next whole number is.
fn edge(x: f32) -> f32 {
    (x - floor(x + 0.5) as f32).abs()
}

fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}
