//! The traces of JPEG compression, without a file: blocks of cosines whose weights are rounded, as the standard's tables
//! say (ITU-T T.81, annex K). Exact operations of floats only, so that the pixels are the same on every machine; no
//! decoder's colour subsampling.

use super::Rgb;

/// Side of a block.
const SIDE: usize = 8;

type Block = [[f32; SIDE]; SIDE];

/// Half the cosine of k/16 of half a turn, for k from 0 to 8.
const HALF_COSINES: [f32; 9] =
    [0.5, 0.490_392_64, 0.461_939_77, 0.415_734_8, 0.353_553_4, 0.277_785_12, 0.191_341_72, 0.097_545_16, 0.0];

/// Steps of brightness.
const LUMA: [[u16; SIDE]; SIDE] = [
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
];

/// Steps of the two differences of colour.
const CHROMA: [[u16; SIDE]; SIDE] = [
    [17, 18, 24, 47, 99, 99, 99, 99],
    [18, 21, 26, 66, 99, 99, 99, 99],
    [24, 26, 56, 99, 99, 99, 99, 99],
    [47, 66, 99, 99, 99, 99, 99, 99],
    [99; SIDE],
    [99; SIDE],
    [99; SIDE],
    [99; SIDE],
];

/// The picture as a JPEG file of this quality (1 to 100, on the scale of libjpeg) shows it.
pub fn compress(picture: &Rgb, quality: f32) -> Rgb {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let percent = if quality < 50.0 { 5000.0 / quality } else { 200.0 - 2.0 * quality };
    let steps = [LUMA, CHROMA, CHROMA].map(|table| {
        table.map(|row| row.map(|step| (f32::from(step) * percent / 100.0 + 0.5).clamp(1.0, 255.0).floor()))
    });
    let basis = basis();
    let turned = transposed(&basis);
    let mut data = picture.data.clone();
    for (top, left) in (0..height).step_by(SIDE).flat_map(|top| (0..width).step_by(SIDE).map(move |left| (top, left))) {
        // blocks that reach over an edge go on as its last pixels
        let place = |y: usize, x: usize| 3 * ((top + y).min(height - 1) * width + (left + x).min(width - 1));
        let mut blocks = [[[0.0; SIDE]; SIDE]; 3];
        for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
            let [r, g, b] = [0, 1, 2].map(|c| f32::from(picture.data[place(y, x) + c]));
            blocks[0][y][x] = 0.299 * r + 0.587 * g + 0.114 * b - 128.0;
            blocks[1][y][x] = 0.5 * b - 0.168_736 * r - 0.331_264 * g;
            blocks[2][y][x] = 0.5 * r - 0.418_688 * g - 0.081_312 * b;
        }
        for (block, steps) in blocks.iter_mut().zip(&steps) {
            let mut weights = product(&product(&basis, block), &turned);
            let weights_and_steps = weights.iter_mut().flatten().zip(steps.iter().flatten());
            weights_and_steps.for_each(|(weight, step)| *weight = (*weight / step).round() * step);
            *block = product(&product(&turned, &weights), &basis);
        }
        for y in 0..SIDE.min(height - top) {
            for x in 0..SIDE.min(width - left) {
                let [luma, blue, red] = [0, 1, 2].map(|channel: usize| blocks[channel][y][x]);
                let bright = luma + 128.0;
                let rgb = [bright + 1.402 * red, bright - 0.344_136 * blue - 0.714_136 * red, bright + 1.772 * blue];
                let target = &mut data[place(y, x)..][..3];
                target.iter_mut().zip(rgb).for_each(|(byte, value)| *byte = (value + 0.5) as u8);
            }
        }
    }
    Rgb { data, ..*picture }
}

/// Rows are the cosines of rising frequency, of length 1.
fn basis() -> Block {
    let mut basis = [[HALF_COSINES[4]; SIDE]; SIDE];
    for (frequency, row) in basis.iter_mut().enumerate().skip(1) {
        for (x, value) in row.iter_mut().enumerate() {
            // sixteenths of half a turn, folded into the first quarter of a turn
            let angle = (2 * x + 1) * frequency % 32;
            let folded = if angle > 16 { 32 - angle } else { angle };
            *value = if folded > 8 { -HALF_COSINES[16 - folded] } else { HALF_COSINES[folded] };
        }
    }
    basis
}

fn product(a: &Block, b: &Block) -> Block {
    let mut product = [[0.0; SIDE]; SIDE];
    for (row, target) in a.iter().zip(&mut product) {
        for (share, other) in row.iter().zip(b) {
            target.iter_mut().zip(other).for_each(|(value, other)| *value += share * other);
        }
    }
    product
}

fn transposed(block: &Block) -> Block {
    std::array::from_fn(|y| std::array::from_fn(|x| block[x][y]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::decode_rgb;
    use crate::image::drawn::pattern;
    use crate::image::encode::encode_jpeg;

    #[test]
    fn the_basis_is_orthonormal() {
        let basis = basis();
        for (y, row) in product(&basis, &transposed(&basis)).iter().enumerate() {
            row.iter().enumerate().for_each(|(x, value)| assert!((value - f32::from(x == y)).abs() < 1e-6));
        }
    }

    /// Mean square of the differences.
    fn error(a: &Rgb, b: &Rgb) -> f64 {
        let square = |(a, b): (&u8, &u8)| (f64::from(*a) - f64::from(*b)).powi(2);
        a.data.iter().zip(&b.data).map(square).sum::<f64>() / a.data.len() as f64
    }

    #[test]
    fn little_is_lost_at_the_best_quality_and_more_below() {
        let picture = pattern(37, 21);
        let errors = [100.0, 75.0, 25.0, 5.0].map(|quality| error(&picture, &compress(&picture, quality)));
        assert!(errors[0] < 1.0 && errors.is_sorted(), "{errors:?}");
    }

    /// The library rounds to whole numbers on the way; what both lose is nearly the same.
    #[test]
    fn traces_are_those_of_a_file() {
        let coloured = pattern(37, 21);
        let grey = Rgb { data: coloured.data.chunks_exact(3).flat_map(|pixel| [pixel[1]; 3]).collect(), ..coloured };
        for quality in [10, 50] {
            let file = decode_rgb(&encode_jpeg(&grey, quality)).unwrap();
            let (made, lost) = (compress(&grey, quality as f32), error(&grey, &file));
            assert!(error(&made, &file) < 0.02 * lost, "{} of {lost}", error(&made, &file));
        }
    }
}
