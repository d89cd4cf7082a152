//! Work in chunks by a fixed number of workers, each with its own detector or session.
//! Chunks are fixed by the data, never by the number of workers, so results do not depend on `--threads`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Result;

/// Runs `work(worker, i)` for every i below `chunks` and returns the results in order. A worker is made once a thread,
/// when it gets its first chunk. The first error ends the work.
pub fn in_chunks<W, T: Send>(
    chunks: usize,
    threads: usize,
    make: impl Fn() -> Result<W> + Sync,
    work: impl Fn(&mut W, usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let results: Vec<Mutex<Option<Result<T>>>> = (0..chunks).map(|_| Mutex::new(None)).collect();
    let run = || {
        let mut worker = None;
        while !stop.load(Ordering::Relaxed) {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(slot) = results.get(i) else { break };
            let result = with_worker(&mut worker, &make).and_then(|worker| work(worker, i));
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            *slot.lock().unwrap_or_else(|e| e.into_inner()) = Some(result);
        }
    };
    std::thread::scope(|scope| {
        (1..threads.min(chunks)).for_each(|_| drop(scope.spawn(run)));
        run();
    });
    let done = results.into_iter().filter_map(|slot| slot.into_inner().unwrap_or_else(|e| e.into_inner()));
    done.collect()
}

fn with_worker<'a, W>(worker: &'a mut Option<W>, make: &impl Fn() -> Result<W>) -> Result<&'a mut W> {
    if worker.is_none() {
        *worker = Some(make()?);
    }
    Ok(worker.as_mut().expect("made above"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_workers_are_made_once_a_thread() {
        for threads in [1, 3, 50] {
            let made = AtomicUsize::new(0);
            let make = || Ok(made.fetch_add(1, Ordering::Relaxed));
            let squares = in_chunks(20, threads, make, |_, i| Ok(i * i)).unwrap();
            assert_eq!(squares, (0..20).map(|i| i * i).collect::<Vec<_>>());
            assert!(made.into_inner() <= threads);
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let result = in_chunks(100, 2, || Ok(()), |_, i| if i == 5 { anyhow::bail!("no") } else { Ok(i) });
        assert_eq!(result.unwrap_err().to_string(), "no");
        assert!(in_chunks(0, 2, || Ok(()), |_, i| Ok(i)).unwrap().is_empty());
    }
}
