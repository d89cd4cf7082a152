//! Pictures drawn by code: three classes that differ in texture, and files that only look like pictures.

use featbench::image::Rgb;
use opencv::core::{Mat, Vec3b, Vector, VectorToVec};
use opencv::imgcodecs::imencode_def;

/// Names of the drawn classes, in label order.
pub const CLASSES: [&str; 3] = ["checks", "rectangles", "stripes"];
/// Side of a drawn texture in pixels.
pub const SIDE: u32 = 80;

/// A picture of a class; every `number` gives another one.
pub fn texture(class: &str, number: u32) -> Rgb {
    let mut random = Sequence(u64::from(number) * 3 + 1);
    let (size, shift) = (6 + random.below(8), random.below(SIDE));
    let rectangles: Vec<[u32; 5]> = (0..15).map(|_| [SIDE, SIDE, 24, 24, 256].map(|end| random.below(end))).collect();
    let inside = |[left, top, width, height, _]: &[u32; 5], x, y| {
        (*left..=left + width).contains(&x) && (*top..=top + height).contains(&y)
    };
    drawn(SIDE, SIDE, |x, y| {
        let grey = match class {
            "checks" => 20 + 200 * (((x + shift) / size + (y + shift) / size) % 2),
            "rectangles" => rectangles.iter().rev().find(|r| inside(r, x, y)).map_or(100, |r| r[4]),
            _ => 30 + 220 * (((x + shift) / size) % 2),
        } as u8;
        // A few dots, so that stripes have corners too.
        let grey = if (7 * x + 13 * y + shift) % 29 == 0 { 255 - grey } else { grey };
        [grey, grey / 2, grey]
    })
}

/// One colour: nothing that a keypoint could be found on.
pub fn flat(width: u32, height: u32, colour: [u8; 3]) -> Rgb {
    drawn(width, height, |_, _| colour)
}

pub fn drawn(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Rgb {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    Rgb { width, height, data: pixels.flat_map(|(x, y)| colour(x, y)).collect() }
}

/// The file of a picture; `extension` (`.png`, `.jpg`) chooses the format. Red and blue change places: no test minds.
pub fn encode(picture: &Rgb, extension: &str) -> Vec<u8> {
    let (rows, columns) = (picture.height as i32, picture.width as i32);
    let pixels = Mat::new_rows_cols_with_bytes::<Vec3b>(rows, columns, &picture.data).unwrap();
    let mut bytes = Vector::new();
    assert!(imencode_def(extension, &pixels, &mut bytes).unwrap());
    bytes.to_vec()
}

/// The start of a GIF, which is recognised and not supported.
pub const GIF: &[u8] = b"GIF89a\x28\x00\x18\x00\x00\x00\x00;";

/// Numbers that look random and are the same every time (a linear congruential generator, Knuth's constants).
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % end
    }
}
