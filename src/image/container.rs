//! How image files are laid out: the segments of a JPEG, the chunks of PNG and WebP, the directory of a TIFF.
//! No pixel is touched here; every reader ends quietly where the bytes end.

pub const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// JPEG markers (ITU-T T.81, table B.1) that matter here.
pub const START_OF_SCAN: u8 = 0xda;
pub const END_OF_IMAGE: u8 = 0xd9;
pub const APP1: u8 = 0xe1;

pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    be16(bytes, at).map(u16::swap_bytes)
}

pub fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    be32(bytes, at).map(u32::swap_bytes)
}

/// The segments of a JPEG as (marker, payload); the compressed data between them is skipped. A file that is whole
/// has `END_OF_IMAGE` as its last segment, in a file that was cut off it never comes.
pub struct JpegSegments<'a> {
    rest: &'a [u8],
}

impl<'a> JpegSegments<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.get(2..).unwrap_or_default() }
    }
}

impl<'a> Iterator for JpegSegments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let marker_prefix = self.rest.iter().position(|&byte| byte == 0xff)?;
            self.rest = &self.rest[marker_prefix + 1..];
            match *self.rest.first()? {
                // a stuffed zero, a restart marker or fill: all of them inside or beside compressed data
                0x00 | 0x01 | 0xd0..=0xd8 | 0xff => {}
                END_OF_IMAGE => {
                    self.rest = &[];
                    return Some((END_OF_IMAGE, &[]));
                }
                marker => {
                    let end = 1 + usize::from(be16(self.rest, 1)?);
                    let payload = self.rest.get(3..end)?;
                    self.rest = &self.rest[end..];
                    return Some((marker, payload));
                }
            }
        }
    }
}

/// Width and height from a JPEG's frame segment.
pub fn jpeg_frame(frame: &[u8]) -> Option<(u32, u32)> {
    Some((be16(frame, 3)?.into(), be16(frame, 1)?.into()))
}

/// One chunk of a PNG: its type with the data, which the checksum covers, and the checksum as stated.
pub struct PngChunk<'a> {
    pub kind: [u8; 4],
    pub data: &'a [u8],
    pub checked: &'a [u8],
    pub checksum: u32,
}

/// The chunks of a PNG in their order, up to the first that is cut off.
pub fn png_chunks(bytes: &[u8]) -> impl Iterator<Item = PngChunk<'_>> {
    let mut rest = bytes.get(PNG_SIGNATURE.len()..).unwrap_or_default();
    std::iter::from_fn(move || {
        let checked_end = be32(rest, 0)? as usize + 8;
        let checked = rest.get(4..checked_end)?;
        let checksum = be32(rest, checked_end)?;
        rest = &rest[checked_end + 4..];
        Some(PngChunk { kind: checked[..4].try_into().ok()?, data: &checked[4..], checked, checksum })
    })
}

/// The chunks of a WebP (RIFF: little-endian, padded to even length) as (type, data), up to the first that is cut off.
pub fn webp_chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.get(12..).unwrap_or_default();
    std::iter::from_fn(move || {
        let end = le32(rest, 4)? as usize + 8;
        let kind = rest[..4].try_into().ok()?;
        let data = rest.get(8..end)?;
        rest = rest.get(end + end % 2..).unwrap_or_default();
        Some((kind, data))
    })
}

/// The first value of a field of the first directory of a TIFF, which is also the form of EXIF data; `tag` as in TIFF 6.0.
pub fn tiff_value(bytes: &[u8], tag: u16) -> Option<u32> {
    let (get16, get32) = tiff_readers(bytes)?;
    let entry = tiff_entry(bytes, tag)?;
    match (get16(bytes, entry + 2)?, get32(bytes, entry + 4)?) {
        (3, ..=2) => get16(bytes, entry + 8).map(u32::from),
        // more of them than the entry has room for stand elsewhere
        (3, _) => get16(bytes, get32(bytes, entry + 8)? as usize).map(u32::from),
        (4, ..=1) => get32(bytes, entry + 8),
        _ => None,
    }
}

/// The text of such a field, without the zero that ends it.
pub fn tiff_text(bytes: &[u8], tag: u16) -> Option<&[u8]> {
    let (get16, get32) = tiff_readers(bytes)?;
    let entry = tiff_entry(bytes, tag)?;
    let (2, length) = (get16(bytes, entry + 2)?, get32(bytes, entry + 4)? as usize) else { return None };
    // up to four bytes have room in the entry
    let start = if length <= 4 { entry + 8 } else { get32(bytes, entry + 8)? as usize };
    bytes.get(start..start.checked_add(length)?)?.split(|&byte| byte == 0).next()
}

fn tiff_readers(bytes: &[u8]) -> Option<(Read<u16>, Read<u32>)> {
    match bytes.get(..4)? {
        b"II*\0" => Some((le16, le32)),
        b"MM\0*" => Some((be16, be32)),
        _ => None,
    }
}

/// Where the entry of a field stands in the first directory.
fn tiff_entry(bytes: &[u8], tag: u16) -> Option<usize> {
    let (get16, get32) = tiff_readers(bytes)?;
    let directory = get32(bytes, 4)? as usize;
    let entries = get16(bytes, directory)?;
    (0..usize::from(entries)).map(|i| directory + 2 + 12 * i).find(|&at| get16(bytes, at) == Some(tag))
}

type Read<T> = fn(&[u8], usize) -> Option<T>;
