//! What a file tells of its making beside what it shows: format, how strongly it was compressed, the camera.
//! None of it is in the pixels, and any of it may differ between classes that were collected in different ways.

use serde::{Deserialize, Serialize};

use super::container::{APP1, JpegSegments, START_OF_SCAN, png_chunks, tiff_text, webp_chunks};
use super::error::DecodeError;
use super::header::{exif_data, header};

/// JPEG markers (ITU-T T.81, table B.1): quantisation tables, and frames of the baseline and the progressive kind.
const QUANTISATION: u8 = 0xdb;
const FRAMES: [u8; 3] = [0xc0, 0xc1, 0xc2];
const PROGRESSIVE: u8 = 0xc2;
/// Coefficients of a block.
const BLOCK: usize = 64;
/// TIFF 6.0: who made the camera, and which it is.
const MAKE: u16 = 0x10f;
const MODEL: u16 = 0x110;

/// Found without decoding pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    /// As [`super::Header::format`], and of a JPEG `progressive` behind it, its components and their sampling.
    pub format: String,
    /// Sum of a JPEG's first quantisation table: the larger, the more was lost; 0 for another format.
    pub quantisation: u32,
    /// Maker and model as EXIF data has them; empty without these.
    pub camera: String,
}

/// # Errors
/// A file that is no image.
pub fn traces(bytes: &[u8]) -> Result<Traces, DecodeError> {
    let name = header(bytes)?.format;
    let mut traces = Traces { format: name.to_owned(), quantisation: 0, camera: String::new() };
    let exif = match name {
        "JPEG" => of_jpeg(bytes, &mut traces),
        "PNG" => png_chunks(bytes).find(|chunk| &chunk.kind == b"eXIf").map(|chunk| chunk.data),
        "WebP" => webp_chunks(bytes).find(|(kind, _)| kind == b"EXIF").map(|(_, data)| exif_data(data).unwrap_or(data)),
        "TIFF" => Some(bytes),
        _ => None,
    };
    let text =
        |tag| exif.and_then(|exif| tiff_text(exif, tag)).map(|text| String::from_utf8_lossy(text).trim().to_owned());
    let words: Vec<String> = [MAKE, MODEL].into_iter().filter_map(text).filter(|word| !word.is_empty()).collect();
    traces.camera = words.join(" ");
    Ok(traces)
}

/// Notes what a JPEG's segments say; gives its EXIF data.
fn of_jpeg<'a>(bytes: &'a [u8], traces: &mut Traces) -> Option<&'a [u8]> {
    let mut exif = None;
    for (marker, data) in JpegSegments::new(bytes).take_while(|&(marker, _)| marker != START_OF_SCAN) {
        match marker {
            APP1 => exif = exif.or(exif_data(data)),
            QUANTISATION if traces.quantisation == 0 => traces.quantisation = first_table(data).unwrap_or(0),
            _ if FRAMES.contains(&marker) => {
                if marker == PROGRESSIVE {
                    traces.format.push_str(" progressive");
                }
                // behind precision and size: components, and three bytes each, the second of which is the sampling
                let components = usize::from(data.get(5).copied().unwrap_or(0));
                for component in 0..components {
                    let sampling = data.get(7 + 3 * component).copied().unwrap_or(0);
                    traces.format.push_str(&format!(" {}x{}", sampling >> 4, sampling & 15));
                }
            }
            _ => {}
        }
    }
    exif
}

/// Sum of the values of the first table in a segment, which are of 8 or 16 bits.
fn first_table(data: &[u8]) -> Option<u32> {
    let (&kind, rest) = data.split_first()?;
    if kind >> 4 == 0 {
        return Some(rest.get(..BLOCK)?.iter().map(|&value| u32::from(value)).sum());
    }
    Some(rest.get(..2 * BLOCK)?.as_chunks::<2>().0.iter().map(|&value| u32::from(u16::from_be_bytes(value))).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::drawn::pattern;
    use crate::image::encode::{encode_bmp, encode_jpeg};

    #[test]
    fn a_jpeg_tells_how_strongly_it_was_compressed() {
        let of = |quality| traces(&encode_jpeg(&pattern(40, 30), quality)).unwrap();
        // the luminance table of ITU-T T.81, annex K, which libjpeg takes as it is at 50 %
        assert_eq!(of(50).quantisation, 3688);
        assert!(of(95).quantisation < of(80).quantisation && of(80).quantisation < of(50).quantisation);
        assert_eq!((of(80).format.as_str(), of(80).camera.as_str()), ("JPEG 2x2 1x1 1x1", ""));
        let bitmap = traces(&encode_bmp(&pattern(4, 3))).unwrap();
        assert_eq!((bitmap.format.as_str(), bitmap.quantisation), ("BMP", 0));
        assert!(traces(b"text").is_err());
    }

    /// A TIFF directory with one text field, as EXIF data has it.
    fn exif(tag: u16, text: &str) -> Vec<u8> {
        let mut data = b"Exif\0\0MM\0*\0\0\0\x08\0\x01".to_vec();
        data.extend(tag.to_be_bytes());
        data.extend([0, 2]);
        data.extend((text.len() as u32 + 1).to_be_bytes());
        data.extend(26_u32.to_be_bytes());
        data.extend([0; 4]);
        data.extend(text.bytes());
        data.push(0);
        data
    }

    #[test]
    fn the_camera_is_read_from_exif_data() {
        let jpeg = encode_jpeg(&pattern(23, 14), 90);
        let data = exif(MODEL, "Box 620 ");
        let with = [&jpeg[..2], &[0xff, 0xe1, 0, data.len() as u8 + 2], &data, &jpeg[2..]].concat();
        assert_eq!(traces(&with).unwrap().camera, "Box 620");
        for length in 0..with.len() {
            let _ = traces(&with[..length]);
        }
    }
}
