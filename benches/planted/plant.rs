//! Copies planted into folders of images: recompressed, mirrored, cropped, with parameters drawn by seed. It shares no
//! code with the search that is to find them: pictures are OpenCV's matrices here, cut and turned pixel by pixel, resized
//! by its four interpolations and written by its encoder.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use opencv::core::{Mat, MatTrait, MatTraitConst, Size, Vec3b, Vector, VectorToVec};
use opencv::imgcodecs::{IMREAD_COLOR, IMREAD_IGNORE_ORIENTATION, IMWRITE_JPEG_QUALITY, imdecode, imencode};
use opencv::imgproc::{INTER_AREA, INTER_CUBIC, INTER_LANCZOS4, INTER_LINEAR, resize};
use rand::Rng;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// What is done to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// JPEG quality 30 to 95, sides of 0.4 to 1.5 times their length.
    Recompressed,
    /// And recompressed, quality 50 to 95, 0.6 to 1.2 times.
    Mirrored,
    /// 5 to 20 % of width and of height cut off, each shared between its two edges at random; quality 50 to 95.
    Cropped,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Recompressed, Kind::Mirrored, Kind::Cropped];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Recompressed => "recompressed",
            Kind::Mirrored => "mirrored",
            Kind::Cropped => "cropped",
        }
    }
}

/// An image file: its class, its name and its bytes.
#[derive(Debug, Clone)]
pub struct Image {
    pub class: String,
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A copy and its original, one of which is reported and the other to learn from; paths inside the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planted {
    pub kind: Kind,
    pub reported: String,
    pub other: String,
}

/// What was planted, and the reported images that have no part in it.
#[derive(Debug)]
pub struct Planting {
    pub planted: Vec<Planted>,
    pub clean: BTreeSet<String>,
}

/// Writes `FOLDER/{train,val,test}/CLASS/FILE` with `each` copies of each kind: one half are copies of images to learn
/// from among the reported ones, the other half the other way round. No image is copied twice.
///
/// # Errors
/// Too few images, one that can't be read, a file that can't be written.
pub fn plant(folder: &Path, learned: &[Image], reported: &[Image], each: usize, seed: u64) -> Result<Planting> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let needed = Kind::ALL.len() * each.div_ceil(2);
    ensure!(learned.len() >= needed && reported.len() >= needed, "{needed} images are needed on either side");
    let mut order = |n: usize| {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut rng);
        order.into_iter()
    };
    let (mut of_learned, mut of_reported) = (order(learned.len()), order(reported.len()));
    let place = |part: &str, image: &Image| format!("{part}/{}/{}", image.class, image.name);
    // every fifth selects
    let part_of = |i: usize| if i % 5 == 4 { "val" } else { "train" };
    for (i, image) in learned.iter().enumerate() {
        write(folder, &place(part_of(i), image), &image.bytes)?;
    }
    for image in reported {
        write(folder, &place("test", image), &image.bytes)?;
    }
    let mut clean: BTreeSet<String> = reported.iter().map(|image| place("test", image)).collect();
    let mut planted = Vec::new();
    for kind in Kind::ALL {
        for number in 0..each {
            let copy = |image: &Image, rng: &mut ChaCha8Rng| -> Result<Image> {
                let name = format!("{}-{number:03}.jpg", kind.name());
                Ok(Image { class: image.class.clone(), name, bytes: changed(kind, &image.bytes, rng)? })
            };
            let (reported, other) = if number % 2 == 0 {
                let i = of_learned.next().context("too few images")?;
                let copy = copy(&learned[i], &mut rng)?;
                write(folder, &place("test", &copy), &copy.bytes)?;
                (place("test", &copy), place(part_of(i), &learned[i]))
            } else {
                let original = &reported[of_reported.next().context("too few images")?];
                let copy = copy(original, &mut rng)?;
                write(folder, &place("train", &copy), &copy.bytes)?;
                (place("test", original), place("train", &copy))
            };
            clean.remove(&reported);
            planted.push(Planted { kind, reported, other });
        }
    }
    Ok(Planting { planted, clean })
}

fn write(folder: &Path, inside: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(inside);
    fs::create_dir_all(path.parent().context("a file has a folder")?)?;
    fs::write(&path, bytes).with_context(|| path.display().to_string())
}

/// The file of an image after what is done to it.
fn changed(kind: Kind, bytes: &[u8], rng: &mut ChaCha8Rng) -> Result<Vec<u8>> {
    let picture = imdecode(&Mat::from_slice(bytes)?, IMREAD_COLOR | IMREAD_IGNORE_ORIENTATION)?;
    match kind {
        Kind::Recompressed => {
            compressed(&scaled(&picture, rng.random_range(0.4..1.5), rng)?, rng.random_range(30..=95))
        }
        Kind::Mirrored => {
            let turned = picked(&picture, picture.rows(), picture.cols(), |y, x| (y, picture.cols() - 1 - x))?;
            compressed(&scaled(&turned, rng.random_range(0.6..1.2), rng)?, rng.random_range(50..=95))
        }
        Kind::Cropped => {
            let mut axis = |length: i32| {
                let cut = f64::from(length) * rng.random_range(0.05..=0.2);
                ((cut * rng.random_range(0.0..=1.0)) as i32, length - cut.round() as i32)
            };
            let ((left, width), (top, height)) = (axis(picture.cols()), axis(picture.rows()));
            let part = picked(&picture, height, width, |y, x| (top + y, left + x))?;
            compressed(&part, rng.random_range(50..=95))
        }
    }
}

/// A picture whose pixels stand elsewhere in another one.
fn picked(from: &Mat, rows: i32, columns: i32, place: impl Fn(i32, i32) -> (i32, i32)) -> Result<Mat> {
    let mut to = Mat::new_rows_cols_with_default(rows, columns, from.typ(), 0.into())?;
    for y in 0..rows {
        for x in 0..columns {
            let (row, column) = place(y, x);
            *to.at_2d_mut::<Vec3b>(y, x)? = *from.at_2d::<Vec3b>(row, column)?;
        }
    }
    Ok(to)
}

fn scaled(picture: &Mat, factor: f64, rng: &mut ChaCha8Rng) -> Result<Mat> {
    let how = [INTER_LINEAR, INTER_CUBIC, INTER_AREA, INTER_LANCZOS4][rng.random_range(0..4)];
    let side = |length: i32| ((f64::from(length) * factor).round() as i32).max(8);
    let mut to = Mat::default();
    resize(picture, &mut to, Size::new(side(picture.cols()), side(picture.rows())), 0.0, 0.0, how)?;
    Ok(to)
}

fn compressed(picture: &Mat, quality: i32) -> Result<Vec<u8>> {
    let mut bytes = Vector::new();
    imencode(".jpg", picture, &mut bytes, &Vector::from_slice(&[IMWRITE_JPEG_QUALITY, quality]))?;
    Ok(bytes.to_vec())
}
