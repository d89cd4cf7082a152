//! The cache of intermediate results, by content: an entry's name is a hash of everything that it depends on, so
//! that a changed ingredient finds nothing and an unchanged one is never computed twice.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::atomic;

/// Name of a cache entry: stage, and a hash of the stage's version, settings and inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    stage: &'static str,
    hash: String,
}

impl Key {
    /// `version` is the stage's constant, raised whenever its output changes; `ingredients` is everything else that
    /// the output depends on, as one serialisable value.
    pub fn new(stage: &'static str, version: u32, ingredients: &impl Serialize) -> Result<Key> {
        let text = serde_json::to_vec(&(stage, version, ingredients)).context("a cache key can't be formed")?;
        Ok(Key { stage, hash: blake3::hash(&text).to_hex().to_string() })
    }

    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// A folder of cache entries. Entries can be deleted at any time; a damaged one counts as absent.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    /// Entries from before are not looked at (`--fresh`).
    ignore_old: Option<std::time::SystemTime>,
}

/// What `featbench cache` shows of one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSize {
    pub stage: String,
    pub entries: usize,
    pub bytes: u64,
}

impl Cache {
    /// `$XDG_CACHE_HOME/featbench`, by default `~/.cache/featbench`.
    pub fn default_folder() -> Result<PathBuf> {
        let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
        let home = || std::env::home_dir().map(|home| home.join(".cache"));
        let base = base.or_else(home).context("no home folder: set XDG_CACHE_HOME to a folder for the cache")?;
        Ok(base.join("featbench"))
    }

    /// Sweeps away what killed writers left there.
    pub fn open(folder: PathBuf, fresh: bool) -> Cache {
        for stage in read_dir_or_nothing(&folder).unwrap_or_default() {
            read_dir_or_nothing(&stage).unwrap_or_default().iter().for_each(|bucket| atomic::sweep(bucket));
        }
        Cache { folder, ignore_old: fresh.then(std::time::SystemTime::now) }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(key.stage).join(&key.hash[..2]).join(&key.hash[2..])
    }

    /// The entry, if it is there and whole.
    pub fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let path = self.path(key);
        if let Some(start) = self.ignore_old
            && fs::metadata(&path).ok()?.modified().ok()? < start
        {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        let (sum, body) = bytes.split_first_chunk::<32>()?;
        (blake3::hash(body).as_bytes() == sum).then(|| postcard::from_bytes(body).ok()).flatten()
    }

    /// Keeps a value. Written beside and renamed, so that a killed program leaves no half entry.
    pub fn put<T: Serialize>(&self, key: &Key, value: &T) -> Result<()> {
        let path = self.path(key);
        let body = postcard::to_stdvec(value).context("a result can't be cached")?;
        write_whole(&path, &[blake3::hash(&body).as_bytes(), &body]).with_context(|| {
            format!("can't write the cache at {}: free space there, or set XDG_CACHE_HOME", path.display())
        })
    }

    /// Deletes an entry that is not needed any more.
    pub fn remove(&self, key: &Key) {
        // one that can't be deleted takes space and does no harm
        let _ = fs::remove_file(self.path(key));
    }

    /// The entry, computed and kept where it is not there yet.
    pub fn get_or<T: Serialize + DeserializeOwned>(&self, key: &Key, compute: impl FnOnce() -> Result<T>) -> Result<T> {
        if let Some(found) = self.get(key) {
            return Ok(found);
        }
        let value = compute()?;
        self.put(key, &value)?;
        Ok(value)
    }

    /// Entries and bytes of each stage, by name.
    pub fn sizes(&self) -> Result<Vec<StageSize>> {
        let mut sizes = Vec::new();
        for stage in read_dir_or_nothing(&self.folder)? {
            let (mut entries, mut bytes) = (0, 0);
            for bucket in read_dir_or_nothing(&stage)? {
                for file in read_dir_or_nothing(&bucket)? {
                    entries += 1;
                    bytes += fs::metadata(&file).map(|m| m.len()).unwrap_or(0);
                }
            }
            let name = stage.file_name().unwrap_or_default().to_string_lossy().into_owned();
            sizes.push(StageSize { stage: name, entries, bytes });
        }
        sizes.sort_by(|a, b| a.stage.cmp(&b.stage));
        Ok(sizes)
    }

    /// Deletes every entry.
    pub fn clear(&self) -> Result<()> {
        for stage in read_dir_or_nothing(&self.folder)? {
            fs::remove_dir_all(&stage).with_context(|| format!("can't delete {}", stage.display()))?;
        }
        Ok(())
    }
}

/// An entry may be lost with the machine: it is not waited for until it is on the disk.
fn write_whole(path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    let beside = atomic::beside(path);
    let written = atomic::create(&beside).and_then(|mut file| parts.iter().try_for_each(|part| file.write_all(part)));
    let renamed = written.and_then(|()| fs::rename(&beside, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    renamed
}

fn read_dir_or_nothing(folder: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect()),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(e) => Err(e).with_context(|| format!("can't read {}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(settings: &str) -> Key {
        Key::new("describe", 1, &settings).unwrap()
    }

    #[test]
    fn an_entry_comes_back_and_another_setting_finds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().into(), false);
        cache.put(&key("a"), &vec![1.5f32, -0.0]).unwrap();
        assert_eq!(cache.get::<Vec<f32>>(&key("a")), Some(vec![1.5, -0.0]));
        assert_eq!(cache.get::<Vec<f32>>(&key("b")), None);
        assert_eq!(cache.sizes().unwrap()[0].entries, 1);
        cache.clear().unwrap();
        assert_eq!(cache.get::<Vec<f32>>(&key("a")), None);
    }

    #[test]
    fn a_damaged_or_cut_entry_counts_as_absent() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().into(), false);
        cache.put(&key("a"), &vec![1.5f32; 100]).unwrap();
        let path = cache.path(&key("a"));
        let whole = fs::read(&path).unwrap();
        for cut in [0, 10, 40, whole.len() - 1] {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(cache.get::<Vec<f32>>(&key("a")), None);
        }
        let mut turned = whole.clone();
        turned[60] ^= 1;
        fs::write(&path, turned).unwrap();
        assert_eq!(cache.get::<Vec<f32>>(&key("a")), None);
    }

    #[test]
    fn version_and_stage_belong_to_the_key() {
        let keys = [Key::new("a", 1, &0).unwrap(), Key::new("a", 2, &0).unwrap(), Key::new("b", 1, &0).unwrap()];
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[0].hash != keys[2].hash);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_killed_writers_left_is_swept_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().into(), false);
        cache.put(&key("a"), &1).unwrap();
        let bucket = cache.path(&key("a")).parent().unwrap().to_path_buf();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        fs::write(bucket.join(format!("0123.{}.tmp", ended.id())), "half").unwrap();
        fs::write(bucket.join(format!("4567.{}.tmp", std::process::id())), "half").unwrap();
        assert_eq!(Cache::open(folder.path().into(), false).get(&key("a")), Some(1));
        let mut left: Vec<_> = fs::read_dir(&bucket).unwrap().map(|file| file.unwrap().file_name()).collect();
        left.sort();
        assert!(left.len() == 2 && left.iter().any(|name| name.to_str().unwrap().starts_with("4567.")), "{left:?}");
    }
}
