//! Memory that kernels work in, kept between calls: fresh pages would cost a tenth of a training step.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A cache line, so that every buffer starts at one.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;

/// Buffers that no kernel uses at the moment. One is enough for a whole network, on any number of threads.
#[derive(Debug, Default)]
pub struct Scratch {
    free: Mutex<Vec<Vec<Line>>>,
}

/// A buffer of at least the length asked for, with numbers of anyone in it; it goes back when it is dropped.
pub(crate) struct Loan<'a> {
    lines: Vec<Line>,
    length: usize,
    home: &'a Scratch,
}

impl Scratch {
    pub const fn new() -> Scratch {
        Scratch { free: Mutex::new(Vec::new()) }
    }

    /// Bytes of all buffers that nobody uses now.
    pub fn bytes(&self) -> usize {
        self.buffers().iter().map(|buffer| buffer.len() * size_of::<Line>()).sum()
    }

    /// Gives all memory back to the system.
    pub fn clear(&self) {
        self.buffers().clear();
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<Line>>> {
        // a panic between the few lines that hold the lock leaves the list as it should be
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The smallest buffer that is long enough, of several the one that was used last: it may still be in a cache.
    pub(crate) fn take(&self, length: usize) -> Loan<'_> {
        let wanted = length.div_ceil(LINE);
        let mut free = self.buffers();
        let fitting = free.iter().enumerate().rev().filter(|(_, buffer)| buffer.len() >= wanted);
        let lines = match fitting.min_by_key(|(_, buffer)| buffer.len()).map(|(place, _)| place) {
            Some(place) => free.remove(place),
            None => {
                // the largest makes room for a larger one, so that few are kept
                let largest = free.iter().enumerate().max_by_key(|(_, buffer)| buffer.len()).map(|(place, _)| place);
                drop(largest.map(|place| free.remove(place)));
                drop(free);
                vec![Line([0.0; LINE]); wanted]
            }
        };
        Loan { lines, length, home: self }
    }
}

impl Deref for Loan<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: a line is 16 numbers without padding, and there are enough lines for the length.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl DerefMut for Loan<'_> {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and the loan owns the lines.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        self.home.buffers().push(lines);
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
