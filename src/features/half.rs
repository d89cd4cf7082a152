//! Long vectors in half precision: their numbers are rounded to 11 bits when they are made, so that the cache, which keeps
//! them so, gives what a worker gives.

use anyhow::{Result, ensure};
use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Numbers up to which vectors keep all their bits.
const LONG: usize = 4096;

/// Rows of a chunk as the cache keeps them.
#[derive(Serialize, Deserialize)]
pub enum Kept {
    Whole(Array2<f32>),
    Half { rows: usize, columns: usize, bytes: Vec<u8> },
}

/// What a vector of so many numbers takes in the cache.
pub fn bytes(numbers: usize) -> usize {
    numbers * if numbers > LONG { size_of::<f16>() } else { size_of::<f32>() }
}

/// Rounds a vector that is long.
pub fn round(vector: &mut [f32]) {
    if vector.len() > LONG {
        let mut halves = vec![f16::ZERO; vector.len()];
        halves.convert_from_f32_slice(vector);
        halves.convert_to_f32_slice(vector);
    }
}

impl Kept {
    /// Of rows that are rounded if they are long.
    pub fn of(rows: Array2<f32>) -> Kept {
        let (n, columns) = rows.dim();
        let Some(values) = rows.as_slice().filter(|_| columns > LONG) else { return Kept::Whole(rows) };
        let mut halves = vec![f16::ZERO; values.len()];
        halves.convert_from_f32_slice(values);
        Kept::Half { rows: n, columns, bytes: halves.iter().flat_map(|half| half.to_le_bytes()).collect() }
    }

    pub fn rows(self) -> Result<Array2<f32>> {
        let (rows, columns, bytes) = match self {
            Kept::Whole(rows) => return Ok(rows),
            Kept::Half { rows, columns, bytes } => (rows, columns, bytes),
        };
        ensure!(bytes.len() == 2 * rows * columns, "an entry of the cache is damaged: delete it by `featbench cache`");
        let halves: Vec<f16> = bytes.as_chunks().0.iter().map(|half| f16::from_le_bytes(*half)).collect();
        let mut values = vec![0.0; halves.len()];
        halves.convert_to_f32_slice(&mut values);
        Ok(Array2::from_shape_vec((rows, columns), values)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_come_back_as_they_were_rounded_and_short_ones_as_they_are() {
        for columns in [3, LONG + 1] {
            let mut rows = Array2::from_shape_fn((2, columns), |(i, j)| (i as f32 - 0.3) / (1.0 + j as f32));
            rows.outer_iter_mut().for_each(|mut row| round(row.as_slice_mut().unwrap()));
            assert_eq!(Kept::of(rows.clone()).rows().unwrap(), rows);
        }
    }
}
