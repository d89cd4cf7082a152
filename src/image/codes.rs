//! The bits of a JPEG's compressed data, and the codes that they are read by (ITU-T T.81, annexes C and F).

/// The bits of a scan, up to the next marker.
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next `count` bits, the first of them highest.
    held: u64,
    count: usize,
}

impl<'a> Bits<'a> {
    /// The bits of the scan whose data begins there.
    pub fn new(bytes: &'a [u8], start: usize) -> Bits<'a> {
        Bits { bytes, at: start, held: 0, count: 0 }
    }

    /// Where the first byte lies that no bit was taken of, or little after it.
    pub fn end(&self) -> usize {
        self.at.saturating_sub(self.count / 8)
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.bytes.get(self.at) else { break };
            if byte == 0xff {
                if self.bytes.get(self.at + 1) != Some(&0) {
                    break;
                }
                self.at += 1;
            }
            self.at += 1;
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next 16 bits, zeros after the end.
    fn peek(&mut self) -> usize {
        if self.count < 16 {
            self.fill();
        }
        (self.held >> 48) as usize
    }

    /// `None` where there are not so many bits.
    pub fn skip(&mut self, count: usize) -> Option<()> {
        // more than are ever held at a time
        if count > 32 {
            self.skip(32)?;
            return self.skip(count - 32);
        }
        if self.count < count {
            self.fill();
        }
        self.count = self.count.checked_sub(count)?;
        self.held <<= count;
        Some(())
    }

    /// At most 16 bits as a number.
    pub fn take(&mut self, count: usize) -> Option<usize> {
        let value = self.peek() >> (16 - count);
        self.skip(count).map(|()| value)
    }

    /// Goes on behind the next restart marker.
    pub fn restart(&mut self) -> Option<()> {
        (self.held, self.count) = (0, 0);
        let marker =
            self.bytes.get(self.at..)?.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff))?;
        self.at += marker + 2;
        matches!(self.bytes[self.at - 1], 0xd0..=0xd7).then_some(())
    }
}

/// A table of codes of up to 16 bits.
#[derive(Clone)]
pub struct Codes {
    /// Length and value of the code that begins with these 8 bits; length 0 where it is longer.
    short: [(u8, u8); 256],
    /// For each length: first code, number of codes, place of the first in `values`.
    lengths: [(usize, usize, usize); 17],
    values: Vec<u8>,
}

pub fn read_codes(mut data: &[u8], tables: &mut [[Option<Codes>; 4]; 2]) {
    while let Some((&[place, ref counts @ ..], rest)) = data.split_first_chunk::<17>() {
        let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let Some(values) = rest.get(..total) else { return };
        if let Some(table) =
            tables.get_mut(usize::from(place >> 4)).and_then(|kind| kind.get_mut(usize::from(place & 15)))
        {
            *table = Some(Codes::new(counts, values));
        }
        data = &rest[total..];
    }
}

impl Codes {
    fn new(counts: &[u8], values: &[u8]) -> Codes {
        let mut codes = Codes { short: [(0, 0); 256], lengths: [(0, 0, 0); 17], values: values.to_vec() };
        let (mut code, mut place) = (0, 0);
        for (length, &count) in (1..=16).zip(counts) {
            let count = usize::from(count);
            codes.lengths[length] = (code, count, place);
            for (code, &value) in (code..).zip(&values[place..place + count]).filter(|_| length <= 8) {
                let (first, same) = (code << (8 - length), 1 << (8 - length));
                codes.short.iter_mut().skip(first).take(same).for_each(|entry| *entry = (length as u8, value));
            }
            code = (code + count) << 1;
            place += count;
        }
        codes
    }

    /// The value of the next code; `None` where the bits end or are none.
    pub fn next(&self, bits: &mut Bits) -> Option<u8> {
        let next = bits.peek();
        let (length, value) = self.short[next >> 8];
        if length > 0 {
            return bits.skip(length.into()).map(|()| value);
        }
        for length in 9..=16 {
            let (first, count, place) = self.lengths[length];
            let code = next >> (16 - length);
            if (first..first + count).contains(&code) {
                bits.skip(length)?;
                return self.values.get(place + code - first).copied();
            }
        }
        None
    }
}
