//! Fetching a data set of four small files from a web server that misbehaves in every way a server can, and
//! `featbench fetch` as a user calls it; hymenoptera end to end, killed in between, where its images are at hand.

mod package;
mod server;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use assert_cmd::assert::OutputAssertExt;
use featbench::dataset::download::{Event, FetchError, Source, fetch};
use featbench::dataset::{Dataset, Manifest};
use featbench::deep::backbone::{self, Published};
use featbench::transfer::{self, Fetched, Remote, TransferError, Workplace};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use tempfile::TempDir;

use crate::support::folder_of;
use server::{Reply, Server};

const ETAG: &str = "ETag: \"1\"";

/// Path and content of the files of the set `toys`.
fn toys() -> Vec<(String, Vec<u8>)> {
    let files = ["train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "test/b/1.jpg"];
    // Not to be compressed, so that a cut in the archive is a cut in a file.
    let noise = |path: &str| (0..200u32).flat_map(|n| Sha256::digest(format!("{path} {n}"))).collect();
    files.iter().map(|path| (path.to_string(), noise(path))).collect()
}

/// Their manifest, which lists a file more that nobody needs and nobody can check.
fn manifest() -> Manifest {
    let mut csv = "path,label,split,role,sha256,width,height\n".to_string();
    for (path, bytes) in toys() {
        let parts: Vec<_> = path.split('/').collect();
        csv += &format!("{path},{1},{0},{0},{2:x},4,3\n", parts[0], parts[1], Sha256::digest(bytes));
    }
    csv += "train/a/broken.jpg,a,,,,0,0\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifest.csv");
    fs::write(&file, csv).unwrap();
    Manifest::read(&file).unwrap()
}

/// A `.tar.gz` that is written entry by entry, with whatever names.
struct Archive(tar::Builder<GzEncoder<Vec<u8>>>);

impl Archive {
    fn new() -> Archive {
        Archive(tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast())))
    }

    fn entry(mut self, kind: EntryType, name: &str, content: &[u8]) -> Archive {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // The crate's own setter would refuse what featbench must refuse.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("target").unwrap();
        }
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    /// As GitHub packs a commit: all of it below one folder.
    fn files<'a>(self, files: impl IntoIterator<Item = &'a (String, Vec<u8>)>) -> Archive {
        let file = |archive: Archive, (path, bytes): &(String, Vec<u8>)| {
            archive.entry(EntryType::Regular, &format!("toys-c0ffee/toy_data/{path}"), bytes)
        };
        files.into_iter().fold(self, file)
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap().finish().unwrap()
    }
}

/// The whole set, and what else a repository has.
fn archive() -> Vec<u8> {
    Archive::new()
        .entry(EntryType::XGlobalHeader, "pax_global_header", b"18 comment=c0ffee\n")
        .entry(EntryType::Directory, "toys-c0ffee/toy_data/", b"")
        .entry(EntryType::Regular, "toys-c0ffee/train.py", b"print()")
        .entry(EntryType::Regular, "toys-c0ffee/toy_data/notes.txt", b"not in the manifest")
        .files(&toys())
        .bytes()
}

fn whole() -> Reply {
    Reply { content: archive(), version: ETAG, ranges: true, ..Reply::default() }
}

/// A folder to fetch into, and what was heard last.
struct Fetching {
    into: TempDir,
    began: Option<transfer::Event>,
    files: usize,
}

impl Fetching {
    fn new() -> Fetching {
        Fetching { into: tempfile::tempdir().unwrap(), began: None, files: 0 }
    }

    fn from(&mut self, url: &str) -> Result<PathBuf, FetchError> {
        let manifest = manifest();
        let source = Source { url, folder: "toy_data", manifest: &manifest };
        (self.began, self.files) = (None, 0);
        fetch(&source, self.into.path(), &mut |event| match event {
            Event::Transfer(event @ transfer::Event::Begun { .. }) => self.began = Some(event),
            Event::File => self.files += 1,
            _ => {}
        })
    }

    /// The message; of one line and with nothing in place of the data set.
    fn error(&mut self, url: &str) -> String {
        let error = self.from(url).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        assert!(!self.into.path().join("toy_data").exists());
        error
    }

    fn here(&self) -> Vec<String> {
        files_below(self.into.path())
    }

    /// The set, every file of it, and nothing else.
    fn is_whole(&self) {
        let mut expected: Vec<_> = toys().iter().map(|(path, _)| format!("toy_data/{path}")).collect();
        expected.sort();
        assert_eq!(self.here(), expected);
        assert_eq!(self.files, toys().len());
        for (path, bytes) in toys() {
            assert_eq!(fs::read(self.into.path().join("toy_data").join(path)).unwrap(), bytes);
        }
    }
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            if path.is_dir() { open.push(path) } else { found.push(name) }
        }
    }
    found.sort();
    found
}

#[test]
fn a_set_is_whole_and_nothing_else_is_left() {
    let server = Server::start(vec![whole()]);
    let mut fetching = Fetching::new();
    assert_eq!(fetching.from(&server.url()).unwrap(), fetching.into.path().join("toy_data"));
    fetching.is_whole();
    assert_eq!(server.asked("Range"), [None]);
    let total = Some(archive().len() as u64);
    assert_eq!(fetching.began, Some(transfer::Event::Begun { kept: 0, dropped: 0, total }));
    let error = fetching.from(&server.url()).unwrap_err().to_string();
    assert!(error.ends_with("toy_data is there already: move it away, or name another folder with --data-dir"));
}

/// Fetches what breaks off after 9000 bytes, then from the second reply: the request and what began.
fn broken_off(first: Reply, then: Vec<Reply>) -> (Server, Fetching) {
    let server = Server::start([vec![Reply { cut: Some(9000), ..first }], then].concat());
    let mut fetching = Fetching::new();
    let error = fetching.error(&server.url());
    assert!(error.contains("broke off after 8.79 KiB"), "{error}");
    let left = ["toy_data.partial/archive.tar.gz.partial", "toy_data.partial/archive.tar.gz.partial.json"];
    assert_eq!(fetching.here(), left);
    assert_eq!(fs::metadata(fetching.into.path().join(left[0])).unwrap().len(), 9000);
    fetching.from(&server.url()).unwrap();
    fetching.is_whole();
    (server, fetching)
}

fn began(fetching: &Fetching) -> (u64, u64) {
    match fetching.began {
        Some(transfer::Event::Begun { kept, dropped, .. }) => (kept, dropped),
        _ => panic!("nothing began"),
    }
}

#[test]
fn an_interrupted_transfer_is_resumed_where_it_stopped() {
    let date = "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT";
    for (version, if_range) in
        [(ETAG, Some("\"1\"")), (date, Some(&date["Last-Modified: ".len()..])), ("ETag: W/\"1\"", None)]
    {
        let reply = Reply { version, ..whole() };
        let (server, fetching) = broken_off(reply.clone(), vec![reply]);
        assert_eq!(server.asked("Range"), [None, Some("bytes=9000-".into())]);
        assert_eq!(server.asked("If-Range"), [None, if_range.map(String::from)]);
        assert_eq!(began(&fetching), (9000, 0));
    }
}

#[test]
fn what_cannot_be_resumed_starts_again() {
    let changed = |version| Reply { version, ..whole() };
    let refused = |status| vec![Reply { status: Some(status), ..Reply::default() }, whole()];
    // The server knows no ranges; has another version; can't tell, and has another; gives another part; refuses.
    for (first, then, requests) in [
        (whole(), vec![Reply { ranges: false, ..whole() }], 2),
        (whole(), vec![changed("ETag: \"2\"")], 2),
        (changed("ETag: W/\"1\""), vec![changed("ETag: W/\"2\""), whole()], 3),
        (changed("ETag: W/\"1\""), vec![changed(""), whole()], 3),
        (whole(), vec![Reply { late: 1, ..whole() }, whole()], 3),
        (whole(), refused("416 Range Not Satisfiable"), 3),
        (whole(), refused("403 Forbidden"), 3),
    ] {
        let (server, fetching) = broken_off(first, then);
        assert_eq!(server.asked("Range")[1], Some("bytes=9000-".into()));
        assert_eq!(server.asked("Range").len(), requests);
        assert_eq!(began(&fetching), (0, 9000));
    }
    // Without a version it is not even asked for.
    let (server, fetching) = broken_off(changed(""), vec![changed("")]);
    assert_eq!(server.asked("Range"), [None, None]);
    assert_eq!(began(&fetching), (0, 9000));
}

#[test]
fn an_interrupted_transfer_says_what_the_same_command_will_do() {
    let cut = |reply| Server::start(vec![Reply { cut: Some(9000), ..reply }]).url();
    let total = indicatif::HumanBytes(archive().len() as u64);
    let resumes = Fetching::new().error(&cut(whole()));
    assert!(resumes.contains(&format!("after 8.79 KiB of {total} (")), "{resumes}");
    assert!(resumes.ends_with("the same command resumes it"), "{resumes}");
    let again = Fetching::new().error(&cut(Reply { version: "", chunked: true, ..whole() }));
    assert!(again.contains("after 8.79 KiB (") && again.ends_with("the same command starts it again"), "{again}");
}

#[test]
fn a_length_left_open_a_redirect_and_a_finished_transfer_are_no_trouble() {
    let redirect = Reply { status: Some("302 Found"), location: Some("/elsewhere"), ..Reply::default() };
    let server = Server::start(vec![redirect, Reply { chunked: true, ..whole() }]);
    let mut fetching = Fetching::new();
    fetching.from(&server.url()).unwrap();
    fetching.is_whole();

    // Killed after the last byte: nobody is asked.
    let workplace = fetching.into.path().join("toy_data.partial");
    fs::remove_dir_all(fetching.into.path().join("toy_data")).unwrap();
    fs::create_dir(&workplace).unwrap();
    fs::write(workplace.join("archive.tar.gz.partial"), archive()).unwrap();
    let url = server::closed();
    let version = format!("{{\"url\":\"{url}\",\"validator\":null,\"total\":{}}}", archive().len());
    fs::write(workplace.join("archive.tar.gz.partial.json"), version).unwrap();
    // And in the middle of unpacking.
    fs::create_dir(workplace.join("files")).unwrap();
    fs::write(workplace.join("files/half.jpg"), "half").unwrap();
    fetching.from(&url).unwrap();
    fetching.is_whole();
}

#[test]
fn a_server_without_the_file_and_no_server_at_all() {
    for (status, remedy) in [
        ("404 Not Found", "it is not there: check the address"),
        ("403 Forbidden", "access to it is denied"),
        ("500 Internal Server Error", "the server can't at the moment: try again later"),
    ] {
        let server = Server::start(vec![Reply { status: Some(status), ..Reply::default() }]);
        let error = Fetching::new().error(&server.url());
        assert!(error.starts_with(&format!("{} answered {status}: {remedy}", server.url())), "{error}");
        assert!(error.ends_with("name another place with --url"), "{error}");
    }
    let url = server::closed();
    let error = Fetching::new().error(&url);
    assert!(error.starts_with(&format!("cannot reach {url} (Connection refused")), "{error}");
    assert!(Fetching::new().error("archive.tar.gz").starts_with("cannot reach archive.tar.gz ("));
}

/// The message about an archive, of which nothing is kept.
fn refused(archive: Vec<u8>) -> String {
    let server = Server::start(vec![Reply { content: archive, ..whole() }]);
    let mut fetching = Fetching::new();
    let error = fetching.error(&server.url());
    assert_eq!(fs::read_dir(fetching.into.path()).unwrap().count(), 0);
    error
}

#[test]
fn a_file_with_other_bytes_is_named_with_both_hashes() {
    let mut files = toys();
    let expected = format!("{:x}", Sha256::digest(&files[1].1));
    files[1].1[0] ^= 1;
    let found = format!("{:x}", Sha256::digest(&files[1].1));
    let error = refused(Archive::new().files(&files).bytes());
    for part in ["train/b/1.jpg", &expected, &found, "another file"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let error = refused(Archive::new().files(&toys()[..2]).bytes());
    assert!(error.contains("lacks 2 of the 4 files of toy_data, the first is test/b/1.jpg"), "{error}");
}

#[test]
fn an_archive_that_reaches_outside_is_refused() {
    for (kind, name, what) in [
        (EntryType::Regular, "toys-c0ffee/../../escaped.jpg", "climbs out of the archive"),
        (EntryType::Directory, "..", "climbs out of the archive"),
        (EntryType::Regular, "/escaped.jpg", "has an absolute path"),
        (EntryType::Symlink, "toys-c0ffee/toy_data/train", "is a link"),
        (EntryType::Link, "toys-c0ffee/toy_data/train/a/1.jpg", "is a link"),
    ] {
        let error = refused(Archive::new().files(&toys()[..1]).entry(kind, name, b"").files(&toys()[1..]).bytes());
        assert!(error.contains(&format!("its entry `{name}` {what}: name another place")), "{error}");
    }
}

#[test]
fn a_damaged_archive_and_a_page_instead_of_one() {
    let mut cut = archive();
    cut.truncate(9000);
    let mut changed = archive();
    let last = changed.len() - 5;
    changed[last] ^= 1;
    for wrong in [cut, changed, b"<html>Please log in</html>".to_vec(), Vec::new()] {
        let error = refused(wrong);
        assert!(error.contains("is no whole .tar.gz archive (") || error.contains("lacks 4 of the 4"), "{error}");
    }
}

#[test]
fn one_process_at_a_time_and_only_where_it_may_write() {
    let mut fetching = Fetching::new();
    let workplace = Workplace::open(&fetching.into.path().join("toy_data.partial")).unwrap();
    let error = fetching.error(&server::closed());
    assert!(error.starts_with("another featbench is fetching into"), "{error}");
    drop(workplace);

    let file = fetching.into.path().join("file");
    fs::write(&file, "").unwrap();
    let manifest = manifest();
    let source = Source { url: &server::closed(), folder: "toy_data", manifest: &manifest };
    let error = fetch(&source, &file, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("file/toy_data.partial"), "{error}");
    assert!(error.ends_with("make the folder writable, or name another one with --data-dir"), "{error}");

    let full = TransferError::Disk { path: "images".into(), error: ErrorKind::StorageFull.into() };
    let expected = "cannot write images: no storage space; free space there, or name another folder with --data-dir; \
                    the same command goes on";
    assert_eq!(format!("{:#}", anyhow::Error::from(full)), expected, "the cause is said once");
}

#[test]
fn a_single_file_is_checked_by_the_beginning_of_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let workplace = Workplace::open(&folder.path().join("work")).unwrap();
    let server = Server::start(vec![whole(), whole()]);
    let url = server.url();
    let hash = format!("{:x}", Sha256::digest(archive()));
    let get = |sha256| {
        workplace.get(&Remote { url: &url, name: "weights.pth", sha256: Some(sha256), most: 1 << 30 }, &mut |_| {})
    };
    let error = get("00000000").unwrap_err().to_string();
    assert!(error.contains(&format!("has the SHA-256 {hash}, expected 00000000: it was not kept")), "{error}");
    assert!(files_below(folder.path()).is_empty());
    assert_eq!(get(&hash[..8]).unwrap(), folder.path().join("work/weights.pth"));
    assert_eq!(files_below(folder.path()), ["work/weights.pth"]);
    get(&hash).unwrap();
    assert_eq!(server.asked("Range").len(), 2, "what is there is not asked for");
    workplace.remove().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn weights_arrive_whole_and_are_the_published_ones() {
    let folder = tempfile::tempdir().unwrap();
    let hash = format!("{:x}", Sha256::digest(archive()));
    let (file, sha256) = (format!("net-{}.pth", &hash[..8]), &hash[..8]);
    let fetch = |url: &str| {
        let published = Published { source: backbone::Source::Url(url), file: &file, sha256 };
        featbench::deep::fetch::fetch(&published, Some(folder.path()), None, &mut |_| {})
    };
    let server = Server::start(vec![Reply { cut: Some(9000), ..whole() }, whole()]);
    let error = fetch(&server.url()).unwrap_err().to_string();
    assert!(error.contains("broke off after 8.79 KiB"), "{error}");
    let place = folder.path().join(&file);
    assert_eq!(fetch(&server.url()).unwrap(), Fetched::Now(place.clone()));
    assert_eq!(server.asked("Range"), [None, Some("bytes=9000-".into())]);
    assert_eq!(files_below(folder.path()), [file.as_str()]);

    assert_eq!(fetch(&server::closed()).unwrap(), Fetched::Already(place.clone()));
    fs::write(&place, "another").unwrap();
    let error = fetch(&server::closed()).unwrap_err().to_string();
    assert!(error.contains(&format!("{file} is there already and is another file")), "{error}");
    assert!(error.contains(&format!("expected {sha256} at the beginning; move it away")), "{error}");
    fs::remove_file(&place).unwrap();
    let server = Server::start(vec![Reply { content: b"<html>".to_vec(), ..whole() }]);
    let error = fetch(&server.url()).unwrap_err().to_string();
    assert!(error.contains(&format!("expected {sha256}: it was not kept")), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// `featbench fetch hymenoptera` with a data folder of its own.
fn fetch_command(data: &Path, url: &str) -> Command {
    fetching("hymenoptera", data, url)
}

fn fetching(name: &str, data: &Path, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_featbench"));
    command.args(["fetch", name, "--url", url]).env("XDG_DATA_HOME", data);
    for variable in ["FEATBENCH_MODELS", "FEATBENCH_DATA", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(variable);
    }
    command
}

#[test]
fn the_command_fails_with_one_line() {
    let data = tempfile::tempdir().unwrap();
    let wrong =
        Archive::new().entry(EntryType::Regular, "x/hymenoptera_data/train/ants/0013035.jpg", b"not that ant").bytes();
    let server = Server::start(vec![Reply { content: wrong, ..Reply::default() }]);
    let weights = Server::start(vec![whole()]);
    for (name, url, part) in [
        ("hymenoptera", server.url(), "train/ants/0013035.jpg in the archive"),
        ("hymenoptera", server::closed(), "cannot reach http"),
        ("resnet18", weights.url(), "expected f37072fd: it was not kept"),
        ("vgg16_bn", server::closed(), "cannot reach http"),
    ] {
        let assert = fetching(name, data.path(), &url).assert().code(2);
        let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(error.starts_with("error: ") && error.contains(part) && error.lines().count() == 1, "{error}");
        assert!(files_below(data.path()).is_empty());
    }
}

#[test]
fn hymenoptera_killed_in_the_middle_arrives_whole() {
    if folder_of("FEATBENCH_DATA").is_none() {
        return;
    }
    let Ok(set) = Dataset::open("hymenoptera", None, 0) else {
        eprintln!("skipped: hymenoptera is not in FEATBENCH_DATA");
        return;
    };
    let mut packed = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    packed.append_dir_all("1cycle-a0d983a/hymenoptera_data", set.folder.unwrap()).unwrap();
    let content = packed.into_inner().unwrap().finish().unwrap();
    let half = content.len() / 2;
    let whole = Reply { content, version: ETAG, ranges: true, ..Reply::default() };
    let server = Server::start(vec![Reply { cut: Some(half), hangs: true, ..whole.clone() }, whole]);

    let data = tempfile::tempdir().unwrap();
    let here = data.path().join("featbench/datasets");
    let partial = here.join("hymenoptera_data.partial/archive.tar.gz.partial");
    let mut first = fetch_command(data.path(), &server.url()).spawn().unwrap();
    while fs::metadata(&partial).map_or(0, |file| file.len()) < half as u64 {
        assert!(first.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(!here.join("hymenoptera_data").exists());

    let said = |stream: &[u8], part: &str| {
        let text = String::from_utf8_lossy(stream).into_owned();
        assert!(text.contains(part), "{part} in {text}");
    };
    let second = fetch_command(data.path(), &server.url()).assert().success();
    said(&second.get_output().stderr, "hymenoptera: going on after");
    said(&second.get_output().stdout, "hymenoptera is there now, every file as the manifest says");
    assert_eq!(server.asked("Range"), [None, Some(format!("bytes={half}-"))]);
    assert_eq!(fs::read_dir(&here).unwrap().count(), 1, "nothing is left beside it");

    let third = fetch_command(data.path(), &server::closed()).assert().success();
    said(&third.get_output().stdout, "hymenoptera is there already, every file");
    let fetched = Dataset::open("hymenoptera", Some(&here), 0).unwrap();
    assert_eq!(fetched.folder, Some(here.join("hymenoptera_data")));
    assert_eq!(fetched.additional, 0);

    fs::write(here.join("hymenoptera_data/train/ants/0013035.jpg"), "changed").unwrap();
    let differs = fetch_command(data.path(), &server::closed()).assert().code(2);
    said(&differs.get_output().stderr, "1 file with other bytes (train/ants/0013035.jpg); move it away");
}

/// Whether it states its length or not.
#[test]
fn a_server_that_goes_on_for_ever_fills_no_disk() {
    for chunked in [false, true] {
        let server = Server::start(vec![Reply { content: vec![7; 300_000], chunked, ..Reply::default() }]);
        let folder = tempfile::tempdir().unwrap();
        let workplace = Workplace::open(&folder.path().join("work")).unwrap();
        let (url, most) = (server.url(), 100_000);
        let error = workplace.get(&Remote { url: &url, name: "x", sha256: None, most }, &mut |_| {}).unwrap_err();
        assert!(matches!(error, TransferError::TooLarge { most: 100_000, .. }), "{error}");
        assert_eq!(fs::read_dir(workplace.folder()).unwrap().count(), 0, "nothing is kept of it");
    }
}
