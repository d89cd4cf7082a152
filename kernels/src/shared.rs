//! A slice that the tasks of one call write together, each its own part.

use std::marker::PhantomData;

/// An exclusively borrowed slice whose parts are handed out to tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared<'a, T = f32> {
    start: *mut T,
    length: usize,
    owner: PhantomData<&'a mut [T]>,
}

// SAFETY: it is a slice of plain numbers; that parts don't overlap is the word of whoever asks for them.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: likewise.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Shared<'a, T> {
        Shared { start: slice.as_mut_ptr(), length: slice.len(), owner: PhantomData }
    }

    /// # Safety
    /// No two parts that live at the same time overlap.
    ///
    /// # Panics
    /// A part that is not in the slice.
    pub(crate) unsafe fn part(&self, start: usize, length: usize) -> &'a mut [T] {
        assert!(start <= self.length && length <= self.length - start, "{start} + {length} of {}", self.length);
        // SAFETY: the part is inside of the slice, and nobody else has it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), length) }
    }

    /// Where a part is, to be written by a task that alone has it.
    ///
    /// # Panics
    /// A part that is not in the slice.
    #[inline(always)]
    pub(crate) fn pointer(&self, start: usize, length: usize) -> *mut T {
        assert!(start <= self.length && length <= self.length - start, "a part that is not there");
        self.start.wrapping_add(start)
    }
}
