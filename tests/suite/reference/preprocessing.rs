//! Decoding, resizing and normalising against Pillow and torchvision.

use std::fs;
use std::path::Path;

use featbench::image::resize::resize_and_crop;
use featbench::image::tensor::{IMAGENET, write_tensor};
use featbench::image::{DecodeError, Rgb, decode_rgb, header};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::hex;
use crate::support::folder_of;

#[derive(Deserialize)]
struct Fixtures {
    images: Vec<Photograph>,
    special: Vec<Special>,
}

#[derive(Deserialize)]
struct Photograph {
    file: String,
    decoded_png: String,
    width: u32,
    height: u32,
    rgb_sha256: String,
    crops: Vec<Crop>,
}

#[derive(Deserialize)]
struct Crop {
    resize: u32,
    crop: u32,
    npy: String,
    normalised: Statistics,
}

#[derive(Deserialize)]
struct Statistics {
    mean: [f64; 3],
    std_population: [f64; 3],
    first_8_of_channel_0: [f64; 8],
}

#[derive(Deserialize)]
struct Special {
    file: String,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    rgb_sha256: Option<String>,
    mean: Option<[f64; 3]>,
}

fn read(folder: &Path) -> Fixtures {
    serde_json::from_slice(&fs::read(folder.join("preprocessing.json")).unwrap()).unwrap()
}

/// The bytes of a NumPy file of u8, its header skipped.
fn npy(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY\x01"), "{}", path.display());
    bytes[10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))..].to_vec()
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Largest and mean absolute difference.
fn differences(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let each = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (each().max().unwrap(), each().map(f64::from).sum::<f64>() / a.len() as f64)
}

#[test]
fn photographs_are_cropped_as_by_torchvision() {
    let Some(folder) = folder_of("FEATBENCH_FIXTURES").map(|f| f.join("preprocessing")) else { return };
    for photograph in read(&folder).images {
        for file in [&photograph.file, &photograph.decoded_png] {
            let bytes = fs::read(folder.join(file)).unwrap();
            let picture = decode_rgb(&bytes).unwrap();
            let stated = header(&bytes).unwrap();
            assert_eq!((stated.width, stated.height), (photograph.width, photograph.height), "{file}");
            assert_eq!((picture.width, picture.height), (photograph.width, photograph.height), "{file}");
            assert_eq!(sha256(&picture.data), photograph.rgb_sha256, "{file}");
            for crop in &photograph.crops {
                let ours = resize_and_crop(&picture, crop.resize, crop.crop);
                let (largest, mean) = differences(&ours.data, &npy(&folder.join(&crop.npy)));
                println!("{file} {}: largest difference {largest}, mean {mean:.4}", crop.crop);
                assert!(largest <= 1 && mean < 0.02, "{file} {}: {largest}, mean {mean}", crop.crop);
            }
        }
    }
}

#[test]
fn crops_are_normalised_as_by_torchvision() {
    let Some(folder) = folder_of("FEATBENCH_FIXTURES").map(|f| f.join("preprocessing")) else { return };
    for crop in read(&folder).images.iter().flat_map(|photograph| &photograph.crops) {
        let picture = Rgb { width: crop.crop, height: crop.crop, data: npy(&folder.join(&crop.npy)) };
        let mut tensor = vec![0.0; picture.data.len()];
        write_tensor(&picture, &IMAGENET, &mut tensor);
        for (value, expected) in tensor.iter().zip(crop.normalised.first_8_of_channel_0) {
            assert!((f64::from(*value) - expected).abs() < 1e-6, "{}", crop.npy);
        }
        for (channel, values) in tensor.chunks_exact(tensor.len() / 3).enumerate() {
            let n = values.len() as f64;
            let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let deviation = (values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt();
            assert!((mean - crop.normalised.mean[channel]).abs() < 1e-6, "{} {channel}: {mean}", crop.npy);
            let expected = crop.normalised.std_population[channel];
            assert!((deviation - expected).abs() < 1e-6, "{} {channel}: {deviation}", crop.npy);
        }
    }
}

#[test]
fn awkward_files_are_decoded_as_by_pillow_or_refused() {
    let Some(folder) = folder_of("FEATBENCH_FIXTURES").map(|f| f.join("preprocessing")) else { return };
    for special in read(&folder).special {
        let bytes = fs::read(folder.join(&special.file)).unwrap();
        let decoded = decode_rgb(&bytes);
        let name = special.file.trim_start_matches("special/");
        if let (Some(format), Ok(stated)) = (special.format, header(&bytes)) {
            assert_eq!(
                (stated.format, stated.width, stated.height),
                (&*format, special.width, special.height),
                "{name}"
            );
        }
        match (name, &special.rgb_sha256) {
            ("still.gif" | "animated.gif", _) => assert_eq!(decoded, Err(DecodeError::Unsupported("GIF"))),
            // here this project differs from Pillow, which clips 16 bits to 8
            ("grey16.png", _) => assert_eq!(decoded.unwrap().data, scaled_ramp(special.width, special.height)),
            // OpenCV turns CMYK into RGB with another rounding, which is brighter by one level
            ("cmyk.jpg", _) => {
                let picture = decoded.unwrap();
                for (channel, expected) in special.mean.unwrap().iter().enumerate() {
                    let values = picture.data.iter().skip(channel).step_by(3).map(|&v| f64::from(v));
                    let mean = values.sum::<f64>() / f64::from(picture.width * picture.height);
                    assert!((mean - expected - 1.0).abs() < 0.1, "{name}: {mean}, not {expected}");
                }
            }
            (_, Some(expected)) => assert_eq!(&sha256(&decoded.unwrap().data), expected, "{name}"),
            (_, None) => assert_eq!(std::mem::discriminant(&decoded.unwrap_err()), refusal(name), "{name}"),
        }
    }
}

/// The picture behind grey16.png, a ramp of 16 bits, scaled to 8.
fn scaled_ramp(width: u32, height: u32) -> Vec<u8> {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| x * 1500 + y * 200));
    pixels.flat_map(|v| [(f64::from(v) * 255.0 / 65535.0).round() as u8; 3]).collect()
}

/// The kind of refusal that a file deserves.
fn refusal(name: &str) -> std::mem::Discriminant<DecodeError> {
    std::mem::discriminant(&match name {
        "empty.jpg" => DecodeError::Empty,
        "text.jpg" => DecodeError::NotAnImage(String::new()),
        _ => DecodeError::Damaged(String::new()),
    })
}

#[derive(Deserialize)]
struct Drawn {
    width: u32,
    height: u32,
    size: u32,
    crop: u32,
    rgb_hex: String,
}

/// The formula of `tests/fixtures/make_preprocessing_drawn.py`.
pub fn drawn(width: u32, height: u32) -> Rgb {
    let value = |x: u32, y: u32, c: u32| (((x * (7 + 4 * c)) ^ (y * (5 + 2 * c))) + x * y / 3) as u8;
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let data = pixels.flat_map(|(x, y)| [value(x, y, 0), value(x, y, 1), value(x, y, 2)]).collect();
    Rgb { width, height, data }
}

#[test]
fn drawn_pictures_are_cropped_as_by_torchvision() {
    let cases: Vec<Drawn> = serde_json::from_str(include_str!("../../fixtures/preprocessing_drawn.json")).unwrap();
    for case in cases {
        let ours = resize_and_crop(&drawn(case.width, case.height), case.size, case.crop);
        assert_eq!((ours.width, ours.height), (case.crop, case.crop));
        let (largest, mean) = differences(&ours.data, &hex::bytes(&case.rgb_hex));
        println!("{} x {} to {}: largest difference {largest}, mean {mean:.4}", case.width, case.height, case.crop);
        assert!(largest <= 1 && mean < 0.1, "{} x {}: {largest}, mean {mean}", case.width, case.height);
    }
}
