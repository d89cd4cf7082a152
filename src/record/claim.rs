//! Claims: small files that keep two processes, on one machine or on several with a common folder, from doing the same
//! work. A claim is made by linking a file that is already whole, which one of any number of processes can do (on NFS
//! too), and it expires when its process is dead.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::atomic::{self, Identity};

use super::files::unwritable;

/// What a claim's name ends with.
pub const CLAIM: &str = "claim";
/// A claim is written anew this often while it is held.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A claim of another machine without a heartbeat for so long is one of a dead process.
pub const EXPIRES: Duration = Duration::from_secs(300);
/// Short work of others (a description, a merge) is waited for this long.
const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(20);

/// Who holds a claim, as its file says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub host: String,
    /// Process number on that machine.
    pub pid: u32,
    /// As in [`Identity`].
    pub machine: String,
    pub birth: u64,
    /// Seconds since 1970.
    pub started: u64,
    pub heartbeat: u64,
}

/// Work that is this process's own as long as this value lives.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    holder: Holder,
    /// Ends the heartbeat when it is dropped.
    stop: Option<Sender<()>>,
    heartbeat: Option<JoinHandle<()>>,
}

/// What came of an attempt.
#[derive(Debug)]
pub enum Attempt {
    Own(Claim),
    /// A living process has it.
    Held(Holder),
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl Holder {
    fn own() -> Holder {
        let Identity { host, machine, pid, birth } = Identity::own().clone();
        let now = seconds_now();
        Holder { host, pid, machine, birth, started: now, heartbeat: now }
    }

    /// The same but for the heartbeat?
    fn is(&self, other: &Holder) -> bool {
        Holder { heartbeat: other.heartbeat, ..self.clone() } == *other
    }

    /// For messages.
    pub fn describe(&self) -> String {
        format!("process {} on {}", self.pid, if self.host.is_empty() { "another machine" } else { &self.host })
    }

    fn runs(&self) -> Option<bool> {
        let Holder { host, pid, machine, birth, .. } = self.clone();
        Identity { host, machine, pid, birth }.runs()
    }

    fn json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers are JSON") + "\n"
    }
}

/// Claims what `path` stands for, unless a living process has.
///
/// # Errors
/// A folder that can't be written.
pub fn claim(path: &Path) -> Result<Attempt> {
    let holder = Holder::own();
    let beside = atomic::beside(path);
    loop {
        let written = atomic::create(&beside).and_then(|mut file| {
            file.write_all(holder.json().as_bytes())?;
            Ok(file)
        });
        let file = written.map_err(|error| unwritable(path, &error))?;
        let linked = match fs::hard_link(&beside, path) {
            // an answer that was lost on the way is asked for again, and then the link is there
            Err(_) if has_two_names(&beside) => Ok(()),
            linked => linked,
        };
        // Its time is that of the common file system, whatever the clocks of the machines say.
        let now = file.metadata().and_then(|file| file.modified()).unwrap_or_else(|_| SystemTime::now());
        let _ = fs::remove_file(&beside);
        match linked {
            Ok(()) => return Ok(Attempt::Own(Claim::held(path, holder, file))),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            // another process removed the empty folder in between
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => match without_links(path, &holder) {
                Some(file) => return Ok(Attempt::Own(Claim::held(path, holder, file))),
                None if path.exists() => {}
                None => return Err(unwritable(path, &error)),
            },
        }
        if let Some(holder) = living(path, now) {
            return Ok(Attempt::Held(holder));
        }
        remove_expired(path, now);
    }
}

/// Waits until the work is this process's own: for what takes others a moment.
///
/// # Errors
/// A folder that can't be written, or a process that does not end.
pub fn wait(path: &Path) -> Result<Claim> {
    let start = SystemTime::now();
    loop {
        match claim(path)? {
            Attempt::Own(claim) => return Ok(claim),
            Attempt::Held(holder) if start.elapsed().is_ok_and(|waited| waited > PATIENCE) => bail!(
                "{}: {} has been writing these records for {} minutes; end it, or choose another --out",
                path.display(),
                holder.describe(),
                PATIENCE.as_secs() / 60
            ),
            Attempt::Held(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Who holds the claim at `path`; `None` where no living process does.
pub fn holder(path: &Path) -> Option<Holder> {
    living(path, SystemTime::now())
}

/// Takes a claim away if it has expired.
pub fn sweep(path: &Path) {
    let now = SystemTime::now();
    if living(path, now).is_none() {
        remove_expired(path, now);
    }
}

#[cfg(unix)]
fn has_two_names(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| std::os::unix::fs::MetadataExt::nlink(&file) == 2)
}

#[cfg(not(unix))]
fn has_two_names(_: &Path) -> bool {
    false
}

/// Some file systems know no links: there the file is created where it is to be.
fn without_links(path: &Path, holder: &Holder) -> Option<File> {
    let mut file = File::options().write(true).create_new(true).open(path).ok()?;
    file.write_all(holder.json().as_bytes()).ok()?;
    Some(file)
}

fn read(path: &Path) -> Option<Holder> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The holder, unless its process is known to be dead, or has not written for too long before `now`.
fn living(path: &Path, now: SystemTime) -> Option<Holder> {
    let written = fs::metadata(path).and_then(|file| file.modified()).ok()?;
    let recent = now.duration_since(written).map_or(true, |age| age < EXPIRES);
    match read(path) {
        Some(holder) => holder.runs().unwrap_or(recent).then_some(holder),
        // gone by now, or created a moment ago where there are no links and not written yet
        None => (recent && path.exists()).then(|| Holder { host: String::new(), pid: 0, ..Holder::own() }),
    }
}

/// Takes an expired claim away. Another process may have put its own there since: that one is put back.
fn remove_expired(path: &Path, now: SystemTime) {
    let aside = atomic::beside(&path.with_extension("expired"));
    if fs::rename(path, &aside).is_ok() {
        if living(&aside, now).is_some() {
            let _ = fs::hard_link(&aside, path);
        }
        let _ = fs::remove_file(&aside);
    }
}

impl Claim {
    fn held(path: &Path, holder: Holder, file: File) -> Claim {
        let (stop, stopped) = channel();
        let beating = holder.clone();
        let heartbeat = std::thread::spawn(move || {
            // Through the open file: should the claim have been taken away, nobody else's is touched.
            while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                let _ = beat(&file, &beating);
            }
        });
        Claim { path: path.to_path_buf(), holder, stop: Some(stop), heartbeat: Some(heartbeat) }
    }
}

/// Writes the file anew with the time of now; the same number of bytes as before, so that it is never cut.
fn beat(mut file: &File, holder: &Holder) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::Start(0))?;
    file.write_all(Holder { heartbeat: seconds_now(), ..holder.clone() }.json().as_bytes())?;
    file.sync_data()
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(heartbeat) = self.heartbeat.take() {
            let _ = heartbeat.join();
        }
        if read(&self.path).is_some_and(|found| found.is(&self.holder)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(attempt: Attempt) -> Claim {
        match attempt {
            Attempt::Own(claim) => claim,
            Attempt::Held(holder) => panic!("held by {}", holder.describe()),
        }
    }

    /// A claim as another process would have left it, so long ago.
    fn leave(path: &Path, holder: &Holder, age: Duration) {
        fs::write(path, holder.json()).unwrap();
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn one_has_it_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/r1.claim");
        let first = own(claim(&path).unwrap());
        assert!(matches!(claim(&path).unwrap(), Attempt::Held(holder) if holder.pid == std::process::id()));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        drop(first);
        assert!(!path.exists());
        drop(own(claim(&path).unwrap()));
    }

    #[test]
    fn of_many_at_once_one_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r1.claim");
        for _ in 0..20 {
            let claims: Vec<Attempt> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| claim(&path).unwrap())).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(claims.iter().filter(|attempt| matches!(attempt, Attempt::Own(_))).count(), 1);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn claims_of_the_dead_expire() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r1.claim");
        let living = Holder::own();
        let dead = Holder { birth: living.birth + 1, ..living.clone() };
        let remote = Holder { machine: "elsewhere".into(), host: "node7".into(), ..living.clone() };

        leave(&path, &living, 2 * EXPIRES);
        assert!(matches!(claim(&path).unwrap(), Attempt::Held(_)), "a process of this machine that runs");
        leave(&path, &dead, Duration::ZERO);
        drop(own(claim(&path).unwrap()));
        leave(&path, &remote, EXPIRES - HEARTBEAT);
        assert!(matches!(claim(&path).unwrap(), Attempt::Held(holder) if holder.describe().ends_with("on node7")));
        leave(&path, &remote, EXPIRES + HEARTBEAT);
        drop(own(claim(&path).unwrap()));
        fs::write(&path, "cut off").unwrap();
        assert!(matches!(claim(&path).unwrap(), Attempt::Held(_)), "it may be written at this moment");
    }

    #[test]
    fn a_claim_that_was_taken_away_takes_nobody_elses_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r1.claim");
        let lost = own(claim(&path).unwrap());
        let other = Holder { machine: "elsewhere".into(), ..Holder::own() };
        leave(&path, &other, Duration::ZERO);
        drop(lost);
        assert_eq!(read(&path), Some(other));
    }

    #[test]
    fn a_heartbeat_changes_the_time_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r1.claim");
        let holder = Holder { heartbeat: 1_700_000_000, ..Holder::own() };
        leave(&path, &holder, 2 * EXPIRES);
        beat(&File::options().write(true).open(&path).unwrap(), &holder).unwrap();
        let after = read(&path).unwrap();
        assert!(after.is(&holder) && after.heartbeat > holder.heartbeat);
        assert!(fs::metadata(&path).unwrap().modified().unwrap().elapsed().unwrap() < EXPIRES);
    }
}
