//! Pictures that the program draws itself: what is timed where no photographs are at hand. Three classes of texture,
//! the same files every time; how fast something is on them says little about photographs, and how accurate nothing.

use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Dataset, DatasetError};
use crate::image::Rgb;
use crate::image::encode::encode_jpeg;
use crate::record::files;

const CLASSES: [&str; 3] = ["blobs", "checks", "stripes"];
/// Pictures of a class.
const NUMBER: u64 = 40;
/// Of the JPEG files, in percent.
const QUALITY: i32 = 95;

/// The data set of these pictures in `folder`, drawn where they are not there yet.
///
/// # Errors
/// A folder that can't be written.
pub fn open(folder: &Path) -> Result<Dataset, DatasetError> {
    draw(folder).map_err(|error| DatasetError::io(folder, error))?;
    Dataset::open(&folder.display().to_string(), None, 0)
}

/// Draws the pictures that are not there yet, as `FOLDER/CLASS/NUMBER.jpg`.
pub fn draw(folder: &Path) -> std::io::Result<()> {
    for (class, name) in CLASSES.iter().enumerate() {
        for number in 0..NUMBER {
            let path = folder.join(name).join(format!("{number:02}.jpg"));
            if !path.exists() {
                files::replace(&path, &encode_jpeg(&picture(class, number), QUALITY))?;
            }
        }
    }
    Ok(())
}

/// From 160 to 320 pixels wide and high: a texture with a little noise, so that it has keypoints everywhere.
fn picture(class: usize, number: u64) -> Rgb {
    let mut rng = ChaCha8Rng::seed_from_u64(number * CLASSES.len() as u64 + class as u64);
    let [width, height] = [0; 2].map(|_| rng.random_range(160..=320_u32));
    let period = rng.random_range(9..30);
    let colour: [u8; 3] = [0; 3].map(|_| rng.random_range(100..=255));
    let spots: Vec<[u32; 2]> = (0..40).map(|_| [rng.random_range(0..width), rng.random_range(0..height)]).collect();
    let lit = |x: u32, y: u32| match class {
        0 => spots.iter().any(|[i, j]| x.abs_diff(*i).pow(2) + y.abs_diff(*j).pow(2) < period * period / 2),
        1 => (x / period + y / period).is_multiple_of(2),
        _ => ((x + y / 2) / period).is_multiple_of(2),
    };
    let mut data = Vec::with_capacity((width * height * 3) as usize);
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
        let noise = rng.random_range(0..40);
        data.extend(colour.map(|value| if lit(x, y) { value - noise } else { noise }));
    }
    Rgb { width, height, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_pictures_every_time_and_only_where_they_are_missing() {
        let folder = tempfile::tempdir().unwrap();
        draw(folder.path()).unwrap();
        let path = folder.path().join("checks/07.jpg");
        let first = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(folder.path().join("blobs/00.jpg"), "kept").unwrap();
        draw(folder.path()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        assert_eq!(std::fs::read(folder.path().join("blobs/00.jpg")).unwrap(), b"kept");
    }
}
