//! Threads, which the caller has: a kernel says how many tasks there are, and the caller runs them.
//! The number of tasks follows from shapes alone, and so does the order of every sum: any pool gives the same bits.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs tasks in any order on any number of threads.
pub trait Pool {
    /// Calls `task` with 0 .. `tasks`, each exactly once, and returns when all have returned. A kernel calls it
    /// from the thread that it was called on, never from a task.
    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync));
}

/// The calling thread alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Serial;

impl Pool for Serial {
    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(task);
    }
}

/// So many threads, started anew at every call: for tests and benchmarks, where the caller has no pool.
#[derive(Debug, Clone, Copy)]
pub struct Threads(pub usize);

impl Pool for Threads {
    fn run(&self, tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= tasks {
                    break;
                }
                task(index);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.0.min(tasks) {
                scope.spawn(work);
            }
            work();
        });
    }
}
