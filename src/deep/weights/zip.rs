//! The zip container of PyTorch's files, whose entries are stored as they are: each is a piece of the file.
//! Sizes and places are checked against the file, and the bytes against their checksum, before they are handed out.

use std::collections::BTreeMap;

use flate2::Crc;

/// Size of the record that ends a zip file, without its comment.
const END: usize = 22;
/// A 32-bit field that says: look for the value in the 64-bit extension.
const EXTENDED: u64 = u32::MAX as u64;

/// A file and what it holds, by name.
pub struct Zip<'a> {
    file: &'a [u8],
    entries: BTreeMap<&'a str, Entry>,
}

impl<'a> Zip<'a> {
    /// Reads the directory of a file.
    ///
    /// # Errors
    /// What is wrong with the file, in words.
    pub fn open(file: &'a [u8]) -> Result<Zip<'a>, String> {
        let (count, mut directory) = directory(file).ok_or("it is cut off: the end of its zip container is missing")?;
        let mut entries = BTreeMap::new();
        for number in 1..=count {
            let (name, entry) = Entry::read(&mut directory).ok_or_else(|| format!("its entry {number} is damaged"))?;
            if entries.insert(name, entry).is_some() {
                return Err(format!("its entry `{name}` is there twice"));
            }
        }
        Ok(Zip { file, entries })
    }

    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.entries.keys().copied()
    }

    /// The bytes of an entry; `None` where there is none.
    ///
    /// # Errors
    /// They are not there as they were, or not those that were packed.
    pub fn get(&self, name: &str) -> Result<Option<&'a [u8]>, String> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        let wrong = |what: &str| format!("its entry `{name}` {what}");
        if entry.method != 0 || entry.encrypted || entry.packed != entry.size {
            return Err(wrong("is compressed or encrypted, which torch.save never does"));
        }
        let bytes = entry.bytes(self.file).ok_or_else(|| wrong("lies outside of the file"))?;
        let mut crc = Crc::new();
        crc.update(bytes);
        if crc.sum() == entry.crc { Ok(Some(bytes)) } else { Err(wrong("has a wrong checksum")) }
    }
}

/// How many entries there are, and their list.
fn directory(file: &[u8]) -> Option<(u64, &[u8])> {
    let latest = file.len().checked_sub(END)?;
    let earliest = latest.saturating_sub(usize::from(u16::MAX));
    let ends_here =
        |&at: &usize| file[at..].starts_with(b"PK\x05\x06") && number(file, at + 20, 2) == Some((latest - at) as u64);
    let end = (earliest..=latest).rev().find(ends_here)?;
    let field = |at, size| number(file, end + at, size);
    let (mut count, mut size, mut start) = (field(10, 2)?, field(12, 4)?, field(16, 4)?);
    if count == u64::from(u16::MAX) || size == EXTENDED || start == EXTENDED {
        let locator = end.checked_sub(20).filter(|&at| file[at..].starts_with(b"PK\x06\x07"))?;
        let extended = place(number(file, locator + 8, 8)?)?;
        file.get(extended..)?.strip_prefix(b"PK\x06\x06")?;
        let field = |at| number(file, extended.checked_add(at)?, 8);
        (count, size, start) = (field(32)?, field(40)?, field(48)?);
    }
    Some((count, part(file, start, size)?))
}

/// A little-endian number of so many bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

fn place(number: u64) -> Option<usize> {
    number.try_into().ok()
}

fn part(bytes: &[u8], start: u64, size: u64) -> Option<&[u8]> {
    bytes.get(place(start)?..place(start.checked_add(size)?)?)
}

/// What the directory says of an entry.
struct Entry {
    encrypted: bool,
    method: u64,
    crc: u32,
    packed: u64,
    size: u64,
    /// Where its header lies, and behind that its bytes.
    header: u64,
}

impl Entry {
    /// Takes the next entry and its name off the directory.
    fn read<'a>(directory: &mut &'a [u8]) -> Option<(&'a str, Entry)> {
        let record = *directory;
        record.strip_prefix(b"PK\x01\x02")?;
        let field = |at, size| number(record, at, size);
        let length = |at| field(at, 2).and_then(place);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let mut entry = Entry {
            encrypted: field(8, 2)? & 1 == 1,
            method: field(10, 2)?,
            crc: field(16, 4)? as u32,
            packed: field(20, 4)?,
            size: field(24, 4)?,
            header: field(42, 4)?,
        };
        entry.extend(record.get(46 + name..46 + name + extra)?)?;
        *directory = record.get(46 + name + extra + comment..)?;
        Some((str::from_utf8(&record[46..46 + name]).ok()?, entry))
    }

    /// Takes what does not fit into 32 bits from the 64-bit extension, where it stands in this order.
    fn extend(&mut self, mut extra: &[u8]) -> Option<()> {
        let mut fields: Vec<_> = [&mut self.size, &mut self.packed, &mut self.header]
            .into_iter()
            .filter(|field| **field == EXTENDED)
            .collect();
        while !fields.is_empty() {
            let (kind, size) = (number(extra, 0, 2)?, place(number(extra, 2, 2)?)?);
            let content = extra.get(4..4 + size)?;
            extra = &extra[4 + size..];
            if kind == 1 {
                for (i, field) in fields.drain(..).enumerate() {
                    *field = number(content, 8 * i, 8)?;
                }
            }
        }
        Some(())
    }

    fn bytes<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let header = file.get(place(self.header)?..)?;
        header.strip_prefix(b"PK\x03\x04")?;
        let before = 30 + number(header, 26, 2)? + number(header, 28, 2)?;
        part(header, before, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with the entry `a`, whose sizes and places stand in the 64-bit extension where `long`.
    fn file(content: &[u8], long: bool) -> Vec<u8> {
        let mut crc = Crc::new();
        crc.update(content);
        let short = |number: usize| if long { [0xff; 4] } else { (number as u32).to_le_bytes() };
        let eight = |number: usize| (number as u64).to_le_bytes();
        let local = [&b"PK\x03\x04"[..], &[0; 22], &[1, 0, 2, 0], b"a??", content].concat();
        let extra = if long {
            [&[9, 0, 1, 0, 7, 1, 0, 24, 0][..], &eight(content.len()), &eight(content.len()), &eight(0)].concat()
        } else {
            Vec::new()
        };
        let lengths = [1, 0, extra.len() as u8, 0, 0, 0];
        let sizes = [short(content.len()), short(content.len())].concat();
        let entry = [&b"PK\x01\x02"[..], &[0; 12], &crc.sum().to_le_bytes(), &sizes, &lengths, &[0; 8], &short(0)];
        let entry = [&entry.concat(), &b"a"[..], &extra].concat();
        let (start, size) = (local.len(), entry.len());
        let mut file = [local, entry].concat();
        if long {
            let record = [&b"PK\x06\x06"[..], &[0; 28], &eight(1), &eight(size), &eight(start)].concat();
            let locator = [&b"PK\x06\x07"[..], &[0; 4], &eight(file.len()), &[0; 4]].concat();
            file = [file, record, locator].concat();
        }
        let count = if long { [0xff; 2] } else { [1, 0] };
        [&file, &b"PK\x05\x06"[..], &[0; 6], &count, &short(size), &short(start), &[3, 0], b"end"].concat()
    }

    #[test]
    fn an_entry_is_a_piece_of_the_file() {
        for long in [false, true] {
            let file = file(b"content", long);
            let zip = Zip::open(&file).map_err(|error| format!("{long}: {error}")).unwrap();
            assert_eq!(zip.names().collect::<Vec<_>>(), ["a"]);
            assert_eq!(zip.get("a"), Ok(Some(&b"content"[..])));
            assert_eq!(zip.get("b"), Ok(None));
        }
    }

    #[test]
    fn what_is_damaged_is_named() {
        let told = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut file = file(b"content", false);
            change(&mut file);
            Zip::open(&file).and_then(|zip| zip.get("a").map(drop)).unwrap_err()
        };
        let entry = file(b"content", false).windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        assert!(told(&|file| file.truncate(60)).contains("is cut off"));
        assert_eq!(told(&|file| file[entry] = 0), "its entry 1 is damaged");
        assert!(told(&|file| file[entry + 10] = 8).starts_with("its entry `a` is compressed or encrypted"));
        assert_eq!(told(&|file| file[entry + 42] = 1), "its entry `a` lies outside of the file");
        assert_eq!(told(&|file| file[33] ^= 1), "its entry `a` has a wrong checksum");
    }
}
