//! Memory for pictures: who decodes one or describes it takes what that needs beforehand, and waits while others have it.
//! So memory does not grow with the number of threads, and a picture that is too large is named rather than the process
//! killed. What is taken is an estimate from the picture's size; it changes when things are done, never what comes out.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::sync::{Condvar, Mutex, OnceLock};

/// Share of the free memory that pictures may take unless the user says otherwise, in percent.
const SHARE: u64 = 75;

/// Where nothing can be learnt of the machine's memory.
const UNKNOWN: u64 = 4 << 30;

static BUDGET: OnceLock<Budget> = OnceLock::new();

/// So many bytes, shared by all threads.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    free: Mutex<u64>,
    returned: Condvar,
}

/// What is taken of a budget, until it is dropped.
#[derive(Debug)]
pub struct Taken<'a> {
    budget: &'a Budget,
    bytes: u64,
}

/// More is needed than there will ever be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("needs {} of memory, and {} are allowed", Size(*.needed), Size(*.limit))]
pub struct TooLittle {
    pub needed: u64,
    pub limit: u64,
}

/// A number of bytes, for people: `1.3 GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl Budget {
    pub fn new(limit: u64) -> Budget {
        Budget { limit, free: Mutex::new(limit), returned: Condvar::new() }
    }

    /// Waits until so many bytes are free.
    ///
    /// # Errors
    /// [`TooLittle`] where it would wait for ever.
    pub fn take(&self, bytes: u64) -> Result<Taken<'_>, TooLittle> {
        if bytes > self.limit {
            return Err(TooLittle { needed: bytes, limit: self.limit });
        }
        let free = self.free.lock().unwrap_or_else(|e| e.into_inner());
        let mut free = self.returned.wait_while(free, |free| *free < bytes).unwrap_or_else(|e| e.into_inner());
        *free -= bytes;
        Ok(Taken { budget: self, bytes })
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.budget.free.lock().unwrap_or_else(|e| e.into_inner()) += self.bytes;
        self.budget.returned.notify_all();
    }
}

/// Sets the process's budget; only the first call acts, and none after [`of_process`].
pub fn set(limit: u64) {
    BUDGET.get_or_init(|| Budget::new(limit));
}

/// The process's budget: what was set, or else three quarters of what is free on this machine at the first call.
pub fn of_process() -> &'static Budget {
    BUDGET.get_or_init(|| Budget::new(available().unwrap_or(UNKNOWN) / 100 * SHARE))
}

/// Bytes that this process can still get, by the kernel's estimate and by the limits of its control group; `None`
/// elsewhere than on Linux.
pub fn available() -> Option<u64> {
    let free = stated(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")? << 10;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(groups.lines().filter_map(left_in_group).fold(free, u64::min))
}

/// The number behind a name, in the units of the file.
fn stated(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// What a line of `/proc/self/cgroup` (`ID:CONTROLLERS:PATH`) leaves, in versions 1 and 2, in any group above it too.
fn left_in_group(line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let (root, limit, used) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
        _ if controllers.split(',').any(|name| name == "memory") => {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
        }
        _ => return None,
    };
    let number =
        |group: &str, file| fs::read_to_string(format!("{root}{group}/{file}")).ok()?.trim().parse::<u64>().ok();
    let left = |group: &str| Some(number(group, limit)?.saturating_sub(number(group, used)?));
    // seen from inside a container its own group is the root
    let above = path.match_indices('/').map(|(at, _)| &path[..at]);
    above.chain([path]).filter_map(left).min()
}

/// A size as it is typed: `800M`, `6G`, `1.5GiB` or a number of bytes; a K is 1024.
///
/// # Errors
/// What is expected.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let expected = || format!("found `{text}`, expected a size as in 800M or 6G");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| expected())?;
    let unit = text[end..].trim().to_ascii_uppercase();
    let power = match unit.trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(expected()),
    };
    let bytes = number * f64::from(1_u32 << 10).powi(power / 10);
    if bytes >= f64::from(1 << 20) { Ok(bytes as u64) } else { Err(format!("found `{text}`, expected at least 1M")) }
}

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mib = self.0 as f64 / f64::from(1 << 20);
        if mib < 1000.0 { write!(f, "{:.0} MiB", mib.ceil()) } else { write!(f, "{:.1} GiB", mib / 1024.0) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn all_together_never_take_more_than_there_is() {
        let budget = Budget::new(100);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for bytes in [60, 50, 100, 10, 40, 30, 70, 90] {
                let (budget, now, most) = (&budget, &now, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let taken = budget.take(bytes).unwrap();
                        most.fetch_max(now.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                        now.fetch_sub(bytes, Ordering::SeqCst);
                        drop(taken);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 100);
        assert_eq!(*budget.free.lock().unwrap(), 100);
        assert_eq!(budget.take(101).unwrap_err(), TooLittle { needed: 101, limit: 100 });
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("800M", 800 << 20), ("6G", 6 << 30), ("1.5GiB", 3 << 29), ("2 gb", 2 << 30), ("2097152", 2 << 20)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "G", "much", "-3G", "3 apples", "1.2.3G", "512K", "0"] {
            assert!(parse_size(text).unwrap_err().contains(text), "{text}");
        }
    }

    #[test]
    fn sizes_are_written_for_people() {
        assert_eq!([1, 300 << 20, 3 << 29].map(|bytes| Size(bytes).to_string()), ["1 MiB", "300 MiB", "1.5 GiB"]);
    }
}
