//! The energy that the processor takes, where the kernel tells (RAPL by way of `/sys/class/powercap`); often only the
//! administrator may read it, and elsewhere it is not measured rather than guessed.

use std::fs;
use std::path::{Path, PathBuf};

const POWERCAP: &str = "/sys/class/powercap";
const MICRO: f64 = 1e-6;

/// Running counters of every processor package, as they stood at the start.
pub struct Meter {
    packages: Vec<Package>,
}

struct Package {
    folder: PathBuf,
    /// Microjoules.
    start: u64,
    /// Where the counter begins again.
    range: u64,
}

impl Meter {
    /// `None` where a package can't be read, or there is none.
    pub fn start() -> Option<Meter> {
        Meter::at(Path::new(POWERCAP))
    }

    fn at(root: &Path) -> Option<Meter> {
        let folders = fs::read_dir(root).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let packages: Vec<Package> =
            folders.filter(|folder| is_package(folder)).map(Package::at).collect::<Option<_>>()?;
        (!packages.is_empty()).then_some(Meter { packages })
    }

    /// Joules since the start, of everything that ran; `None` where a counter is gone.
    pub fn joules(&self) -> Option<f64> {
        let spent = self.packages.iter().map(Package::spent).collect::<Option<Vec<u64>>>()?;
        Some(spent.into_iter().sum::<u64>() as f64 * MICRO)
    }
}

/// `intel-rapl:0` is a package (AMD's have that name too); `intel-rapl:0:1` is a part of one.
fn is_package(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.strip_prefix("intel-rapl:").is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
}

fn number(folder: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
}

impl Package {
    fn at(folder: PathBuf) -> Option<Package> {
        let (start, range) = (number(&folder, "energy_uj")?, number(&folder, "max_energy_range_uj")?);
        Some(Package { folder, start, range })
    }

    fn spent(&self) -> Option<u64> {
        let now = number(&self.folder, "energy_uj")?;
        // it has begun again, once
        Some(if now < self.start { now + self.range.saturating_sub(self.start) } else { now - self.start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(root: &Path, zone: &str, energy: u64) {
        fs::create_dir_all(root.join(zone)).unwrap();
        fs::write(root.join(zone).join("energy_uj"), format!("{energy}\n")).unwrap();
        fs::write(root.join(zone).join("max_energy_range_uj"), "10000000\n").unwrap();
    }

    #[test]
    fn packages_are_added_parts_are_not_and_counters_begin_again() {
        let root = tempfile::tempdir().unwrap();
        assert!(Meter::at(&root.path().join("none")).is_none() && Meter::at(root.path()).is_none());
        for (zone, energy) in [("intel-rapl:0", 1_000_000), ("intel-rapl:1", 9_000_000), ("intel-rapl:0:0", 5)] {
            set(root.path(), zone, energy);
        }
        let meter = Meter::at(root.path()).unwrap();
        set(root.path(), "intel-rapl:0", 3_500_000);
        set(root.path(), "intel-rapl:1", 500_000);
        assert_eq!(meter.joules(), Some(4.0));
        fs::remove_file(root.path().join("intel-rapl:0/energy_uj")).unwrap();
        assert_eq!(meter.joules(), None);
    }
}
