//! Reading an image file once: what its first bytes say comes before the rest, and no file is read that can't be an image.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::manifest::hex_sha256;
use crate::budget::Size;
use crate::image::DecodeError;
use crate::image::header::{OPENING, known};

/// No image file is larger.
pub(super) const LARGEST: u64 = 256 << 20;

/// SHA-256 of a file (empty for one that is too large to be looked at), and its bytes where it may be an image.
pub fn open(path: &Path) -> io::Result<(String, Result<Vec<u8>, DecodeError>)> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.by_ref().take(OPENING as u64).read_to_end(&mut bytes)?;
    let known = known(&bytes);
    if length > LARGEST {
        let large = format!("{}, and no file of more than {} is taken for an image", Size(length), Size(LARGEST));
        return Ok((String::new(), Err(known.err().unwrap_or(DecodeError::NotAnImage(large)))));
    }
    if let Err(reason) = known {
        let mut hash = Sha256::new();
        hash.update(&bytes);
        io::copy(&mut file, &mut hash)?;
        return Ok((format!("{:x}", hash.finalize()), Err(reason)));
    }
    rest(&mut file, length, &mut bytes)?;
    Ok((hex_sha256(&bytes), Ok(bytes)))
}

/// The bytes of a file that had `length` of them; of one that grew, one more.
pub(super) fn read(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    rest(&mut File::open(path)?, length, &mut bytes)?;
    Ok(bytes)
}

fn rest(file: &mut File, length: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let left = (length + 1).saturating_sub(bytes.len() as u64);
    bytes.try_reserve_exact(left as usize).map_err(|_| io::ErrorKind::OutOfMemory)?;
    file.take(left).read_to_end(bytes).map(drop)
}
