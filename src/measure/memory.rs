//! The largest resident memory of this process since a mark, as the Linux kernel counts it, and how freed memory is
//! kept. Other systems have no such mark: there it is unknown rather than guessed.

use std::fs;

/// Makes glibc keep what is freed instead of giving it back to the kernel. SIFT allocates and frees some megabytes for
/// every image, and to get them back zeroed, page by page, takes a fifth of its time (measured on two threads). Other
/// systems stay as they are.
pub fn keep_what_is_freed() {
    // SAFETY: only numbers are passed; what this system can't do, it answers with 0.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        // The largest that is accepted on 64 bits; beyond it, allocations are the kernel's.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 << 20);
    }
}

/// Gives back what was freed and sets the mark anew: from here on [`peak_mib`] counts. `false` where the system does
/// not allow it, and a peak would be that of everything before.
pub fn reset_peak() -> bool {
    // SAFETY: it takes a number and touches only memory that nobody uses.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
    // Value 5 resets the mark and nothing else (proc_pid_clear_refs(5)).
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Largest resident size since the last [`reset_peak`], or since the program started, MiB; `None` elsewhere than on Linux.
pub fn peak_mib() -> Option<f64> {
    in_status("VmHWM:")
}

/// Resident size at this moment, MiB.
pub fn resident_mib() -> Option<f64> {
    in_status("VmRSS:")
}

fn in_status(name: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix(" kB")?;
    Some(kib.parse::<f64>().ok()? / 1024.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// Set in the process that the test starts of itself.
    const ALONE: &str = "FEATBENCH_TEST_ALONE";

    /// The mark is the whole process's, and other tests allocate in this one: the check runs in one of its own.
    #[test]
    fn the_peak_outlasts_the_memory_until_it_is_reset() {
        if std::env::var_os(ALONE).is_none() {
            let name = "measure::memory::tests::the_peak_outlasts_the_memory_until_it_is_reset";
            let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
            let output = alone.args([name, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        if !reset_peak() {
            eprintln!("skipped: this system does not let a process reset its peak");
            return;
        }
        let before = peak_mib().unwrap();
        drop(std::hint::black_box(vec![1_u8; 256 << 20]));
        let after = peak_mib().unwrap();
        assert!(after > before + 200.0, "{before} MiB, then {after} MiB");
        assert!(reset_peak());
        let reset = peak_mib().unwrap();
        assert!(reset < after - 100.0, "{after} MiB, then {reset} MiB");
    }
}
