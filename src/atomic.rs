//! Files that are whole or not there. They are written beside their place under a name that says whose they are, then
//! renamed; what a killed writer left behind is known by that name and swept away.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// A file beside its place that another machine writes is left alone for so long.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// A folder may be removed, empty, by another process between its making and its use.
const ATTEMPTS: usize = 5;

/// This process, as other processes and machines can tell it from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name of the machine, for people.
    pub host: String,
    /// Twelve hex digits that stand for the machine since it started, and for the set of process numbers (a container
    /// has its own).
    pub machine: String,
    pub pid: u32,
    /// When the process began, in the clock ticks of its machine: numbers of processes come back, this does not.
    pub birth: u64,
}

impl Identity {
    pub fn own() -> &'static Identity {
        static OWN: OnceLock<Identity> = OnceLock::new();
        OWN.get_or_init(|| {
            let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
            let host = read("/proc/sys/kernel/hostname");
            let numbers = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
            let machine = format!("{host} {} {}", read("/proc/sys/kernel/random/boot_id"), numbers.display());
            let pid = std::process::id();
            Identity {
                host,
                machine: blake3::hash(machine.as_bytes()).to_hex()[..12].to_owned(),
                pid,
                birth: birth(pid).unwrap_or_default(),
            }
        })
    }

    /// Does the process run? `None` where this machine can't tell.
    pub fn runs(&self) -> Option<bool> {
        let here = self.machine == Identity::own().machine && Path::new("/proc/self/stat").exists();
        here.then(|| birth(self.pid) == Some(self.birth))
    }
}

/// When a process of this machine began, in clock ticks; `None` where none has this number, or one that has ended.
fn birth(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X");
    if ended { None } else { fields.nth(18)?.parse().ok() }
}

/// Where this thread writes what is to be renamed to `path`.
pub fn beside(path: &Path) -> PathBuf {
    let Identity { machine, pid, .. } = Identity::own();
    let thread: String = format!("{:?}", std::thread::current().id()).chars().filter(char::is_ascii_digit).collect();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{thread}-{machine}.{pid}.tmp"));
    name.into()
}

/// Puts `bytes` in the place of the file at `path`; missing folders are made. A reader sees the
/// old bytes or the new ones and never a part, also after the machine went down.
///
/// # Errors
/// A file that can't be written; the old one then stands as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let write = |mut file: &File| {
        file.write_all(bytes)?;
        file.sync_all()
    };
    let beside = beside(path);
    let written = create(&beside).and_then(|file| write(&file)).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // Best effort: what matters to the user is why the write failed, and a leftover is swept.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Creates the file with the folders above it.
pub fn create(path: &Path) -> io::Result<File> {
    let mut attempt = 1;
    loop {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match File::create(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

/// Deletes what writers that do not live any more left in a folder (not below it).
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| is_abandoned(name, &entry.path())) {
            // one that can't be deleted takes space and does no harm
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Is this a file beside its place, of a process that does not run? Names of older versions have no machine: they were
/// written on this one.
fn is_abandoned(name: &str, path: &Path) -> bool {
    let Some((rest, pid)) = name.strip_suffix(".tmp").and_then(|rest| rest.rsplit_once('.')) else { return false };
    let Ok(pid) = pid.parse::<u32>() else { return false };
    let machine = rest.rsplit_once('.').and_then(|(_, writer)| writer.split_once('-')).map(|(_, machine)| machine);
    let own = Identity::own();
    if machine.is_none_or(|machine| machine == own.machine) && own.runs().is_some() {
        return birth(pid).is_none();
    }
    let age = fs::metadata(path).and_then(|file| file.modified()).map(|time| SystemTime::now().duration_since(time));
    age.is_ok_and(|age| age.is_ok_and(|age| age > ABANDONED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_old_bytes_or_the_new_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/file");
        replace(&path, b"old").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(replace(&folder.path().join("taken"), b"").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_dead_writers_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = child.id();
        child.wait().unwrap();
        let own = Identity::own();
        let dead = [format!("f.7-{}.{ended}.tmp", own.machine), format!("hash.{ended}.tmp")];
        let kept = [
            beside(Path::new("f")).display().to_string(),
            format!("f.7-0123456789ab.{ended}.tmp"),
            "notes.tmp".into(),
            format!("f.{ended}"),
        ];
        dead.iter().chain(&kept).for_each(|name| fs::write(folder.path().join(name), "").unwrap());
        sweep(folder.path());
        assert!(dead.iter().all(|name| !folder.path().join(name).exists()));
        assert!(kept.iter().all(|name| folder.path().join(name).exists()), "another machine's, a living one's, others");

        let foreign = File::create(folder.path().join(&kept[1])).unwrap();
        foreign.set_modified(SystemTime::now() - 2 * ABANDONED).unwrap();
        sweep(folder.path());
        assert!(!folder.path().join(&kept[1]).exists(), "a day later it is no one's");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_told_from_a_later_one_of_its_number() {
        let own = Identity::own();
        assert_eq!(own.runs(), Some(true));
        assert_eq!(Identity { birth: own.birth + 1, ..own.clone() }.runs(), Some(false));
        assert_eq!(Identity { machine: "elsewhere".into(), ..own.clone() }.runs(), None);
    }
}
