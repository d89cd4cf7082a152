//! Heat maps: signed amounts that lie in a picture, drawn over it in two colours.

use super::{Rgb, canvas};

/// What speaks for, and what against: two ends of ColorBrewer's RdBu, which colour-blind people tell apart.
pub const FOR: [u8; 3] = [178, 24, 43];
pub const AGAINST: [u8; 3] = [33, 102, 172];

/// An amount with its place, in pixels of the picture that it was found in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    pub x: f32,
    pub y: f32,
    /// Diameter of what it belongs to.
    pub size: f32,
    pub amount: f64,
}

/// Amounts a pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    width: u32,
    height: u32,
    amounts: Vec<f64>,
}

/// Share of the pixels that may be beyond the full colour.
const BEYOND: f64 = 0.005;
/// So many marks cover a picture, and are drawn at least so many mean distances wide.
const MANY: usize = 500;
const APART: f32 = 4.0;
/// How much of a picture's own light is left below the colours, and how strong these get.
const LIGHT: f64 = 0.62;
const STRONGEST: f64 = 0.88;

impl Field {
    pub fn zeros(width: u32, height: u32) -> Field {
        Field { width, height, amounts: vec![0.0; width as usize * height as usize] }
    }

    /// Marks of a picture of size `from` spread out in one of size `to`: each falls from its middle to its edge, and is
    /// all there however much of it lies beyond the border. No mark is smaller than what closes the gaps between many.
    pub fn of(marks: &[Mark], from: (u32, u32), to: (u32, u32)) -> Field {
        let mut field = Field::zeros(to.0, to.1);
        let (x, y) = (to.0 as f32 / from.0 as f32, to.1 as f32 / from.1 as f32);
        let closed =
            if marks.len() < MANY { 0.0 } else { APART * (from.0 as f32 * from.1 as f32 / marks.len() as f32).sqrt() };
        for mark in marks {
            let radius = mark.size.max(closed) / 2.0;
            let column = tent(mark.x * x, radius * x, to.0);
            let row = tent(mark.y * y, radius * y, to.1);
            for (i, share) in row.1.iter().enumerate() {
                let start = (row.0 + i) * to.0 as usize + column.0;
                let amount = mark.amount * share;
                let line = &mut field.amounts[start..start + column.1.len()];
                line.iter_mut().zip(&column.1).for_each(|(sum, share)| *sum += amount * share);
            }
        }
        field
    }

    pub fn add(&mut self, other: &Field) {
        self.amounts.iter_mut().zip(&other.amounts).for_each(|(sum, amount)| *sum += amount);
    }

    pub fn sum(&self) -> f64 {
        self.amounts.iter().sum()
    }

    /// What full colour may stand for: nearly every amount is smaller.
    pub fn full(&self) -> f64 {
        let mut sizes: Vec<f64> = self.amounts.iter().map(|amount| amount.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let place = ((1.0 - BEYOND) * sizes.len() as f64) as usize;
        sizes.get(place.min(sizes.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }

    /// The picture, which has the field's size, in pale grey with the amounts over it; `full` gets the full colour.
    ///
    /// # Panics
    /// Where it has another size.
    pub fn over(&self, picture: &Rgb, full: f64) -> Rgb {
        assert_eq!((picture.width, picture.height), (self.width, self.height), "one amount a pixel");
        let grey = canvas::grey(picture).data;
        let pixel = |(&light, &amount): (&u8, &f64)| {
            let light = 255.0 - LIGHT * (255.0 - f64::from(light));
            let share = if full > 0.0 { (amount.abs() / full).min(1.0).powf(0.75) * STRONGEST } else { 0.0 };
            let colour = if amount < 0.0 { AGAINST } else { FOR };
            colour.map(|c| (light * (1.0 - share) + f64::from(c) * share).round() as u8)
        };
        let data = grey.iter().zip(&self.amounts).flat_map(pixel).collect();
        Rgb { width: self.width, height: self.height, data }
    }
}

/// Shares of the pixels from the first that comes back on, which fall from `middle` to nothing at `radius` and sum to 1.
fn tent(middle: f32, radius: f32, length: u32) -> (usize, Vec<f64>) {
    let (middle, radius, last) = (f64::from(middle), f64::from(radius).max(1.0), i64::from(length) - 1);
    let first = ((middle - radius - 0.5).ceil() as i64).clamp(0, last);
    let end = ((middle + radius - 0.5).floor() as i64).clamp(first, last);
    let share = |pixel: i64| (1.0 - ((pixel as f64 + 0.5) - middle).abs() / radius).max(0.0);
    let mut shares: Vec<f64> = (first..=end).map(share).collect();
    let sum: f64 = shares.iter().sum();
    if sum > 0.0 {
        shares.iter_mut().for_each(|share| *share /= sum);
    } else {
        shares[0] = 1.0;
    }
    (first as usize, shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_at_borders_or_when_the_picture_is_enlarged() {
        let mark = |x, y, size, amount| Mark { x, y, size, amount };
        let marks = [mark(0.0, 0.0, 9.0, 1.0), mark(30.0, 20.0, 50.0, -0.25), mark(15.0, -40.0, 4.0, 0.5)];
        for to in [(30, 20), (97, 64), (5, 3)] {
            assert!((Field::of(&marks, (30, 20), to).sum() - 1.25).abs() < 1e-9);
        }
    }

    #[test]
    fn colours_tell_the_sign() {
        let grey = Rgb { width: 2, height: 1, data: vec![128; 6] };
        let mut field = Field::of(&[Mark { x: 0.5, y: 0.5, size: 1.0, amount: 2.0 }], (2, 1), (2, 1));
        field.add(&Field::of(&[Mark { x: 1.5, y: 0.5, size: 1.0, amount: -2.0 }], (2, 1), (2, 1)));
        let drawn = field.over(&grey, field.full()).data;
        assert!(drawn[0] > drawn[2] && drawn[3] < drawn[5], "{drawn:?}");
        assert_eq!(Field::zeros(2, 1).over(&grey, 0.0).data[0..3], [176; 3]);
    }
}
