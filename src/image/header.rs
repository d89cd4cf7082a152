//! What an image file says about itself (format, size, orientation) and whether it is whole, without decoding pixels.
//! Decoders are lenient: OpenCV fills the missing part of a cut JPEG with grey, so files are checked here beforehand.
//! Formats that are not read are known by name all the same, so that a message can say what a file is.

use flate2::Crc;

use super::container::{
    APP1, END_OF_IMAGE, JpegSegments, PNG_SIGNATURE, START_OF_SCAN, be32, jpeg_frame, le16, le32, png_chunks,
    tiff_value, webp_chunks,
};
use super::error::{DecodeError, MAX_PIXELS, MAX_SCANS};

/// So many bytes from the beginning of a file are enough for [`known`].
pub const OPENING: usize = 256;

/// Size and format as the header states them, found without decoding pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// `BMP`, `GIF`, `JPEG`, `PNG`, `TIFF` or `WebP`, by content, whatever the file's name.
    pub format: &'static str,
    pub width: u32,
    pub height: u32,
    /// EXIF orientation 1 to 8; 1 where there is none.
    pub orientation: u8,
}

/// Reads format, size and orientation. GIF is recognised, though its pixels can't be read (see [`check`]).
pub fn header(bytes: &[u8]) -> Result<Header, DecodeError> {
    let (format, size, orientation) = match bytes {
        [] => return Err(DecodeError::Empty),
        [0xff, 0xd8, 0xff, ..] => ("JPEG", jpeg_size(bytes), jpeg_orientation(bytes)),
        _ if bytes.starts_with(PNG_SIGNATURE) => ("PNG", png_size(bytes), png_orientation(bytes)),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => ("GIF", gif_size(bytes), None),
        [b'B', b'M', ..] => ("BMP", bmp_size(bytes), None),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
            ("WebP", webp_size(bytes), webp_orientation(bytes))
        }
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => ("TIFF", tiff_size(bytes), tiff_value(bytes, 0x112)),
        _ => return Err(foreign(bytes)),
    };
    let (width, height) = size.ok_or_else(|| damaged(format!("the {format} header ends before it states a size")))?;
    if width == 0 || height == 0 {
        return Err(damaged(format!("the {format} header states a size of {width} x {height}")));
    }
    let orientation = orientation.and_then(|o| u8::try_from(o).ok()).filter(|o| (1..=8).contains(o)).unwrap_or(1);
    Ok(Header { format, width, height, orientation })
}

/// Is this the beginning of a file in a format that [`header`] reads? The first [`OPENING`] bytes are enough.
///
/// # Errors
/// What else it is.
pub fn known(opening: &[u8]) -> Result<(), DecodeError> {
    match opening {
        [] => Err(DecodeError::Empty),
        [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] | [b'B', b'M', ..] => Ok(()),
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Ok(()),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(()),
        _ if opening.starts_with(PNG_SIGNATURE) => Ok(()),
        _ => Err(foreign(opening)),
    }
}

/// What a file is that is none of the images that are read.
fn foreign(bytes: &[u8]) -> DecodeError {
    let text = bytes[..bytes.len().min(OPENING)].to_ascii_lowercase();
    let holds = |words: &[u8]| text.windows(words.len()).any(|window| window == words);
    let name = match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', b'e' | b'i', ..]
        | [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', ..] => "HEIF and AVIF",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "video",
        [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n' | b'#', ..] => "PBM, PGM and PPM",
        [_, _, _, _, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => "JPEG 2000",
        [_, _, _, _, b'J', b'X', b'L', b' ', ..] | [0xff, 0x0a, ..] => "JPEG XL",
        [b'8', b'B', b'P', b'S', ..] => "Photoshop",
        [0, 0, 1, 0, ..] => "ICO",
        [b'I', b'I', b'+', 0, ..] | [b'M', b'M', 0, b'+', ..] => "BigTIFF",
        [b'v', b'/', b'1', 1, ..] => "OpenEXR",
        [b'#', b'?', b'R', ..] => "Radiance HDR",
        [b'%', b'P', b'D', b'F', ..] => "PDF",
        _ if bytes.get(128..132) == Some(b"DICM") => "DICOM",
        _ if holds(b"<svg") => "SVG",
        _ if text.starts_with(b"version https://git-lfs") => {
            return DecodeError::NotAnImage("a pointer of Git LFS: `git lfs pull` gets the image itself".into());
        }
        _ if holds(b"<html") || holds(b"<!doctype html") => return DecodeError::NotAnImage("a web page".into()),
        _ => return DecodeError::NotAnImage(format!("it starts with {}", opening(bytes))),
    };
    DecodeError::Unsupported(name)
}

/// The header, after making sure that the file can be trusted: a supported format, a sane size, nothing cut off and
/// no wrong checksum. As torchvision (Pillow) does, bytes after the end of an image are accepted.
pub fn check(bytes: &[u8]) -> Result<Header, DecodeError> {
    let header = header(bytes)?;
    let pixels = u64::from(header.width) * u64::from(header.height);
    if pixels > MAX_PIXELS {
        return Err(DecodeError::TooLarge { width: header.width, height: header.height });
    }
    match header.format {
        "GIF" => Err(DecodeError::Unsupported("GIF")),
        "JPEG" => jpeg_is_whole(bytes),
        "PNG" => png_is_whole(bytes),
        "BMP" => bmp_is_whole(bytes, &header),
        "WebP" if le32(bytes, 4).is_none_or(|size| bytes.len() < size as usize + 8) => {
            Err(damaged("the WebP is shorter than it states".into()))
        }
        "WebP" if webp_is_animated(bytes) => Err(DecodeError::Unsupported("animated WebP")),
        "TIFF" => match (tiff_value(bytes, 0x153), tiff_value(bytes, 0x102)) {
            (Some(3), _) => Err(DecodeError::Unsupported("floating-point TIFF")),
            (_, Some(17..)) => Err(DecodeError::Unsupported("32-bit TIFF")),
            _ => Ok(()),
        },
        _ => Ok(()),
    }?;
    Ok(header)
}

fn damaged(what: String) -> DecodeError {
    DecodeError::Damaged(what)
}

/// The first bytes of a file, printable, for a message.
fn opening(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes[..bytes.len().min(12)].escape_ascii())
}

fn jpeg_is_whole(bytes: &[u8]) -> Result<(), DecodeError> {
    let (mut scans, mut ends) = (0, false);
    for (marker, _) in JpegSegments::new(bytes) {
        scans += usize::from(marker == START_OF_SCAN);
        ends |= marker == END_OF_IMAGE;
        if scans > MAX_SCANS {
            return Err(DecodeError::Scans);
        }
    }
    if ends { Ok(()) } else { Err(damaged("the JPEG has no end marker".into())) }
}

fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    // start of frame: 0xc0 to 0xcf without the tables (DHT, DAC) and the reserved JPG
    let is_frame = |marker: u8| matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
    let (_, frame) = JpegSegments::new(bytes).find(|&(marker, _)| is_frame(marker))?;
    jpeg_frame(frame)
}

fn jpeg_orientation(bytes: &[u8]) -> Option<u32> {
    let before_scan = JpegSegments::new(bytes).take_while(|&(marker, _)| marker != START_OF_SCAN);
    let mut exif = before_scan.filter(|&(marker, _)| marker == APP1).filter_map(|(_, data)| exif_data(data));
    tiff_value(exif.next()?, 0x112)
}

/// EXIF data without its signature, where it has one.
pub(super) fn exif_data(data: &[u8]) -> Option<&[u8]> {
    data.strip_prefix(b"Exif\0\0")
}

fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let first = png_chunks(bytes).next().filter(|chunk| &chunk.kind == b"IHDR")?;
    Some((be32(first.data, 0)?, be32(first.data, 4)?))
}

fn png_orientation(bytes: &[u8]) -> Option<u32> {
    tiff_value(png_chunks(bytes).find(|chunk| &chunk.kind == b"eXIf")?.data, 0x112)
}

fn png_is_whole(bytes: &[u8]) -> Result<(), DecodeError> {
    for chunk in png_chunks(bytes) {
        let mut crc = Crc::new();
        crc.update(chunk.checked);
        if crc.sum() != chunk.checksum {
            return Err(damaged(format!("checksum of the PNG's {} chunk", chunk.kind.escape_ascii())));
        }
        if &chunk.kind == b"IEND" {
            return Ok(());
        }
    }
    Err(damaged("the PNG has no end chunk".into()))
}

fn gif_size(bytes: &[u8]) -> Option<(u32, u32)> {
    Some((le16(bytes, 6)?.into(), le16(bytes, 8)?.into()))
}

fn bmp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    match le32(bytes, 14)? {
        12 => Some((le16(bytes, 18)?.into(), le16(bytes, 20)?.into())),
        // signed; a negative height means that the first row is at the top
        _ => Some((le32(bytes, 18)?.cast_signed().unsigned_abs(), le32(bytes, 22)?.cast_signed().unsigned_abs())),
    }
}

fn bmp_is_whole(bytes: &[u8], header: &Header) -> Result<(), DecodeError> {
    match bmp_end(bytes, header) {
        Some(end) if end <= bytes.len() as u64 => Ok(()),
        Some(end) => Err(damaged(format!("the BMP needs {end} bytes and has {}", bytes.len()))),
        None => Err(damaged("the BMP ends within its header".into())),
    }
}

/// Where the rows of an uncompressed BMP end (each is padded to four bytes); a compressed one is left to the decoder.
fn bmp_end(bytes: &[u8], header: &Header) -> Option<u64> {
    let old = le32(bytes, 14)? == 12;
    let bits = if old { le16(bytes, 24)? } else { le16(bytes, 28)? };
    let uncompressed = old || matches!(le32(bytes, 30)?, 0 | 3);
    let rows = (u64::from(header.width) * u64::from(bits)).div_ceil(32) * 4 * u64::from(header.height);
    Some(u64::from(le32(bytes, 10)?) + if uncompressed { rows } else { 0 })
}

/// WebP's three forms: lossy (a VP8 key frame), lossless and extended.
fn webp_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let form = bytes.get(12..16)?;
    let data = bytes.get(20..)?;
    match form {
        b"VP8 " => Some(((le16(data, 6)? & 0x3fff).into(), (le16(data, 8)? & 0x3fff).into())),
        b"VP8L" => {
            let packed = le32(data, 1)?;
            Some(((packed & 0x3fff) + 1, (packed >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => Some(((le32(data, 4)? & 0xff_ffff) + 1, (le32(data, 6)? >> 8) + 1)),
        _ => None,
    }
}

fn webp_is_animated(bytes: &[u8]) -> bool {
    // the animation flag of the extended form
    bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|flags| flags & 2 != 0)
}

fn webp_orientation(bytes: &[u8]) -> Option<u32> {
    let (_, data) = webp_chunks(bytes).find(|(kind, _)| kind == b"EXIF")?;
    tiff_value(exif_data(data).unwrap_or(data), 0x112)
}

fn tiff_size(bytes: &[u8]) -> Option<(u32, u32)> {
    Some((tiff_value(bytes, 0x100)?, tiff_value(bytes, 0x101)?))
}
