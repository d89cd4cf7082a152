//! Memory that kernels work in, kept between calls: fresh pages would cost a tenth of a training step.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A cache line, so that every buffer starts at one: a vector that lies in two lines takes twice as long to read.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;

/// Numbers that start at a cache line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
    length: usize,
}

impl Buffer {
    pub fn zeros(length: usize) -> Buffer {
        Buffer { lines: vec![Line([0.0; LINE]); length.div_ceil(LINE)], length }
    }

    fn bytes(&self) -> usize {
        self.lines.len() * size_of::<Line>()
    }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: a line is 16 numbers without padding, and there are enough lines for the length.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and the buffer owns the lines.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

/// Buffers that no kernel uses at the moment. One is enough for a whole network, on any number of threads.
#[derive(Debug, Default)]
pub struct Scratch {
    free: Mutex<Vec<Buffer>>,
}

/// A buffer of the length asked for, with numbers of anyone in it; it goes back when it is dropped.
pub(crate) struct Loan<'a> {
    buffer: Buffer,
    home: &'a Scratch,
}

impl Scratch {
    pub const fn new() -> Scratch {
        Scratch { free: Mutex::new(Vec::new()) }
    }

    /// Bytes of all buffers that nobody uses now.
    pub fn bytes(&self) -> usize {
        self.buffers().iter().map(Buffer::bytes).sum()
    }

    /// Gives all memory back to the system.
    pub fn clear(&self) {
        self.buffers().clear();
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Buffer>> {
        // a panic between the few lines that hold the lock leaves the list as it should be
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The smallest buffer that is long enough, of several the one that was used last: it may still be in a cache.
    pub(crate) fn take(&self, length: usize) -> Loan<'_> {
        let mut free = self.buffers();
        let fitting = free.iter().enumerate().rev().filter(|(_, buffer)| buffer.lines.len() * LINE >= length);
        let buffer = match fitting.min_by_key(|(_, buffer)| buffer.lines.len()).map(|(place, _)| place) {
            Some(place) => Buffer { length, ..free.remove(place) },
            None => {
                // the largest makes room for a larger one, so that few are kept
                let largest = free.iter().enumerate().max_by_key(|(_, buffer)| buffer.lines.len());
                let place = largest.map(|(place, _)| place);
                drop(place.map(|place| free.remove(place)));
                drop(free);
                Buffer::zeros(length)
            }
        };
        Loan { buffer, home: self }
    }
}

impl Deref for Loan<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.buffer
    }
}

impl DerefMut for Loan<'_> {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.home.buffers().push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again() {
        let scratch = Scratch::new();
        drop((scratch.take(1000), scratch.take(10)));
        let kept = scratch.bytes();
        assert_eq!(kept, (63 + 1) * 64);
        let small = scratch.take(5);
        assert_eq!((small.len(), small.as_ptr() as usize % 64, scratch.bytes()), (5, 0, 63 * 64));
        drop(small);
        drop(scratch.take(2000));
        assert_eq!(scratch.bytes(), (125 + 1) * 64, "the larger one stands in for the smaller one");
        scratch.clear();
        assert_eq!(scratch.bytes(), 0);
    }
}
