//! Does a JPEG hold all of its pixels? The compressed data of every scan is walked code by code, without a single pixel.
//! A decoder would fill what is missing with grey and print a line without the file's name.
//! The codes are those of ITU-T T.81, annexes F and G; arithmetic coding and lossless JPEG are left to the decoder.

use super::codes::{Bits, Codes, read_codes};
use super::container::{be16, jpeg_frame};

/// A JPEG whose data does not last, can't be codes or goes on after the last block; how many blocks of 8 x 8 of its scan
/// were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    pub blocks: usize,
    pub of: usize,
}

/// Bytes that may be left over between a scan's last block and what follows: some programs pad.
const PADDING: usize = 16;

/// Values of a block.
const BLOCK: usize = 64;

/// One colour component of the frame.
struct Component {
    id: u8,
    /// Blocks of a unit, across and down.
    across: usize,
    down: usize,
    /// Blocks of the whole picture, padded to units.
    stride: usize,
    /// Of a progressive JPEG, the values of each block that are not zero so far.
    seen: Vec<u64>,
}

/// The frame, and the tables as they stand.
struct Frame {
    width: usize,
    height: usize,
    progressive: bool,
    components: Vec<Component>,
    /// For the first value of a block and for the others.
    codes: [[Option<Codes>; 4]; 2],
    /// Units between two restart markers, 0 for none.
    restart: usize,
}

/// Walks every scan.
///
/// # Errors
/// [`Broken`] where a scan's data ends before its last block or long after it, or holds bits that are no code.
pub fn walk(bytes: &[u8]) -> Result<(), Broken> {
    let mut at = 2;
    let mut frame = None::<Frame>;
    let mut codes = [const { [const { None }; 4] }; 2];
    let mut restart = 0;
    while let Some((marker, start, end)) = next_segment(bytes, at) {
        let data = &bytes[start..end];
        at = end;
        match marker {
            0xd9 => return Ok(()),
            0xc0..=0xc2 => frame = Frame::new(data, marker == 0xc2),
            // arithmetic, lossless and hierarchical frames
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => return Ok(()),
            0xc4 => read_codes(data, &mut codes),
            0xdd => restart = be16(data, 0).unwrap_or_default().into(),
            0xda => {
                let Some(frame) = &mut frame else { return Ok(()) };
                frame.codes.clone_from(&codes);
                frame.restart = restart;
                let scan = Scan::new(data, frame).ok_or(Broken { blocks: 0, of: 0 })?;
                at = scan.walk(frame, bytes, end)?;
            }
            _ => {}
        }
    }
    Err(Broken { blocks: 0, of: 0 })
}

/// Marker of the next segment, and where its data is.
fn next_segment(bytes: &[u8], mut at: usize) -> Option<(u8, usize, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)? + 1;
        match *bytes.get(at)? {
            0x00 | 0x01 | 0xd0..=0xd8 | 0xff => {}
            0xd9 => return Some((0xd9, at + 1, at + 1)),
            marker => {
                let end = at + 1 + usize::from(be16(bytes, at + 1)?);
                return (end <= bytes.len() && end >= at + 3).then_some((marker, at + 3, end));
            }
        }
    }
}

impl Frame {
    fn new(data: &[u8], progressive: bool) -> Option<Frame> {
        let (width, height) = jpeg_frame(data)?;
        let (width, height) = (width as usize, height as usize);
        let parts: Vec<[u8; 3]> = data.get(6..)?.as_chunks::<3>().0.to_vec();
        let parts = parts.get(..usize::from(*data.get(5)?))?;
        let sampling = |part: &[u8; 3]| (usize::from(part[1] >> 4), usize::from(part[1] & 15));
        if width == 0 || height == 0 || parts.iter().any(|part| sampling(part).0 == 0 || sampling(part).1 == 0) {
            return None;
        }
        let units = |side: usize, most: usize| side.div_ceil(8 * most);
        let most = |of: fn((usize, usize)) -> usize| parts.iter().map(|part| of(sampling(part))).max();
        let (units_across, units_down) = (units(width, most(|s| s.0)?), units(height, most(|s| s.1)?));
        let component = |part: &[u8; 3]| {
            let (across, down) = sampling(part);
            let stride = units_across * across;
            let seen = if progressive { vec![0; stride * units_down * down] } else { Vec::new() };
            Component { id: part[0], across, down, stride, seen }
        };
        let components = parts.iter().map(component).collect();
        Some(Frame { width, height, progressive, components, codes: Default::default(), restart: 0 })
    }

    fn most(&self) -> (usize, usize) {
        let most = |of: fn(&Component) -> usize| self.components.iter().map(of).max().unwrap_or(1);
        (most(|c| c.across), most(|c| c.down))
    }
}

/// What a scan holds.
struct Scan {
    /// Index of each component with its tables for first and other values.
    parts: Vec<(usize, usize, usize)>,
    first: usize,
    last: usize,
    /// Does it make values more exact that an earlier scan began?
    refines: bool,
}

impl Scan {
    /// `None` for a scan that is none.
    fn new(data: &[u8], frame: &Frame) -> Option<Scan> {
        let count = usize::from(*data.first()?);
        let parts = data.get(1..1 + 2 * count)?.as_chunks::<2>().0.iter().map(|&[id, tables]| {
            let component = frame.components.iter().position(|component| component.id == id)?;
            Some((component, usize::from(tables >> 4 & 3), usize::from(tables & 3)))
        });
        let parts = parts.collect::<Option<Vec<_>>>()?;
        let [first, last, exactness] = *data.get(1 + 2 * count..)?.first_chunk::<3>()?;
        let (first, last) = if frame.progressive { (first.into(), last.into()) } else { (0, BLOCK - 1) };
        let several = parts.len() > 1;
        let fits = !parts.is_empty() && last < BLOCK && first <= last && !(several && frame.progressive && first > 0);
        fits.then_some(Scan { parts, first, last, refines: frame.progressive && exactness >> 4 > 0 })
    }

    /// Where the scan's data ends.
    fn walk(&self, frame: &mut Frame, bytes: &[u8], start: usize) -> Result<usize, Broken> {
        let (most_across, most_down) = frame.most();
        let (units_across, units_down) = if let [(only, ..)] = self.parts[..] {
            let component = &frame.components[only];
            let blocks = |side: usize, own: usize, most: usize| (side * own).div_ceil(8 * most);
            (blocks(frame.width, component.across, most_across), blocks(frame.height, component.down, most_down))
        } else {
            (frame.width.div_ceil(8 * most_across), frame.height.div_ceil(8 * most_down))
        };
        let of_unit: usize = match self.parts[..] {
            [_] => 1,
            _ => self.parts.iter().map(|(i, ..)| frame.components[*i].across * frame.components[*i].down).sum(),
        };
        let all = units_across * units_down;
        let mut bits = Bits::new(bytes, start);
        let mut run = 0;
        for unit in 0..all {
            let broken = Broken { blocks: unit * of_unit, of: all * of_unit };
            if frame.restart > 0 && unit > 0 && unit.is_multiple_of(frame.restart) {
                bits.restart().ok_or(broken)?;
                run = 0;
            }
            self.unit(frame, &mut bits, &mut run, (unit % units_across, unit / units_across)).ok_or(broken)?;
        }
        // whole bytes that were read ahead belong to no block either
        let left = bits.end();
        let next = bytes[left..].windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff));
        match next {
            Some(over) if over <= PADDING => Ok(left + over),
            _ => Err(Broken { blocks: all * of_unit, of: all * of_unit }),
        }
    }

    fn unit(&self, frame: &mut Frame, bits: &mut Bits, run: &mut usize, (x, y): (usize, usize)) -> Option<()> {
        let Frame { components, codes, progressive, .. } = frame;
        for &(component, first, other) in &self.parts {
            let component = &mut components[component];
            let (first, other) = (codes[0][first].as_ref(), codes[1][other].as_ref());
            let (across, down) = if self.parts.len() == 1 { (1, 1) } else { (component.across, component.down) };
            for (i, j) in (0..down).flat_map(|j| (0..across).map(move |i| (i, j))) {
                if !*progressive {
                    whole_block(bits, first?, other?)?;
                    continue;
                }
                if self.first == 0 {
                    let length = if self.refines { 1 } else { first?.next(bits)? };
                    bits.skip(length.into())?;
                    continue;
                }
                let seen = component.seen.get_mut((y * down + j) * component.stride + x * across + i)?;
                match self.refines {
                    false => self.begin(bits, other?, run, seen)?,
                    true => self.refine(bits, other?, run, seen)?,
                }
            }
        }
        Some(())
    }

    /// The first bits of a block's values.
    fn begin(&self, bits: &mut Bits, codes: &Codes, run: &mut usize, seen: &mut u64) -> Option<()> {
        if *run > 0 {
            *run -= 1;
            return Some(());
        }
        let mut k = self.first;
        while k <= self.last {
            let (zeros, length) = split(codes.next(bits)?);
            if length == 0 && zeros < 15 {
                *run = (1 << zeros) - 1 + bits.take(zeros)?;
                break;
            }
            k += zeros;
            if length > 0 {
                bits.skip(length)?;
                *seen |= 1_u64.checked_shl(k as u32).unwrap_or_default();
            }
            k += 1;
        }
        Some(())
    }

    /// One bit more for the values that there are, and new ones among them.
    fn refine(&self, bits: &mut Bits, codes: &Codes, run: &mut usize, seen: &mut u64) -> Option<()> {
        let mut k = self.first;
        while *run == 0 && k <= self.last {
            let (mut zeros, length) = split(codes.next(bits)?);
            if length > 0 {
                bits.skip(1)?;
            } else if zeros < 15 {
                *run = (1 << zeros) + bits.take(zeros)?;
                break;
            }
            while k <= self.last {
                if *seen >> k & 1 == 1 {
                    bits.skip(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
            if length > 0 && k <= self.last {
                *seen |= 1 << k;
            }
            k += 1;
        }
        if *run > 0 {
            let rest = if k <= self.last { *seen >> k << (BLOCK - 1 - self.last + k) } else { 0 };
            bits.skip(rest.count_ones() as usize)?;
            *run -= 1;
        }
        Some(())
    }
}

/// A block of a JPEG whose scans hold all values at once.
fn whole_block(bits: &mut Bits, first: &Codes, other: &Codes) -> Option<()> {
    let length = first.next(bits)?;
    bits.skip(length.into())?;
    let mut k = 1;
    while k < BLOCK {
        let (zeros, length) = split(other.next(bits)?);
        if length == 0 && zeros < 15 {
            break;
        }
        bits.skip(length)?;
        k += zeros + 1;
    }
    Some(())
}

/// Zeros before a value, and its length in bits.
fn split(code: u8) -> (usize, usize) {
    (usize::from(code >> 4), usize::from(code & 15))
}

#[cfg(test)]
mod tests {
    use opencv::core::{Mat, Vec3b, Vector, VectorToVec};
    use opencv::imgcodecs::{IMWRITE_JPEG_PROGRESSIVE, IMWRITE_JPEG_RST_INTERVAL, imencode};

    use super::*;
    use crate::image::drawn::pattern;

    /// Plain, progressive, with restart markers, and of one component.
    fn files() -> Vec<Vec<u8>> {
        let picture = pattern(83, 45);
        let rgb = Mat::new_rows_cols_with_bytes::<Vec3b>(45, 83, &picture.data).unwrap();
        let grey = Mat::new_rows_cols_with_bytes::<u8>(45, 83, &picture.data[..45 * 83]).unwrap();
        let settings: [&[i32]; 4] = [
            &[],
            &[IMWRITE_JPEG_PROGRESSIVE, 1],
            &[IMWRITE_JPEG_RST_INTERVAL, 3],
            &[IMWRITE_JPEG_PROGRESSIVE, 1, IMWRITE_JPEG_RST_INTERVAL, 2],
        ];
        let file = |settings: &&[i32], coloured| {
            let mut bytes = Vector::<u8>::new();
            let settings = Vector::from_slice(settings);
            let written = if coloured {
                imencode(".jpg", &rgb, &mut bytes, &settings)
            } else {
                imencode(".jpg", &grey, &mut bytes, &settings)
            };
            assert!(written.unwrap());
            bytes.to_vec()
        };
        settings.iter().flat_map(|settings| [file(settings, true), file(settings, false)]).collect()
    }

    /// Where the data of the first scan begins.
    fn data_of(file: &[u8]) -> usize {
        let mut at = 2;
        while let Some((marker, _, end)) = next_segment(file, at) {
            if marker == 0xda {
                return end;
            }
            at = end;
        }
        panic!("a JPEG has a scan")
    }

    #[test]
    fn whole_files_are_whole() {
        for (i, file) in files().iter().enumerate() {
            assert_eq!(walk(file), Ok(()), "{i}");
            assert_eq!(walk(&[file, b"tail".as_slice()].concat()), Ok(()));
        }
    }

    /// An end marker is put behind what is left, as programs do that recover files.
    #[test]
    fn a_file_that_was_cut_in_its_data_is_broken() {
        for (i, file) in files().iter().enumerate() {
            let start = data_of(file);
            for cut in (start..file.len() - 6).step_by(7) {
                // between two scans or right before a marker nothing of a begun scan is missing
                let at_marker = file[cut..cut + 4].contains(&0xff) || file[cut - 2..cut].contains(&0xff);
                let left = [&file[..cut], &[0xff, 0xd9]].concat();
                assert!(at_marker || walk(&left).is_err(), "file {i} of {} bytes cut to {cut}", file.len());
            }
        }
    }

    #[test]
    fn any_damage_is_walked_without_harm() {
        for file in files() {
            for at in (2..file.len()).step_by(11) {
                for value in [0, 0x7f, 0xff] {
                    let mut damaged = file.clone();
                    damaged[at] = value;
                    let _ = walk(&damaged);
                }
            }
        }
    }
}
