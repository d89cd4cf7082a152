//! Bad input: nothing vanishes, nothing crashes, and what can't be done is said in a line with the remedy.

use std::fs;

use super::data::{GIF, drawn, encode, flat, texture};
use super::{Place, one_line, small_arm};

const OUT: &str = "featbench-report/photos";

#[test]
fn files_that_are_no_usable_images_are_listed_counted_and_left_out() {
    let place = Place::empty();
    for (split, numbers) in [("train", 0..6), ("val", 6..8), ("test", 8..10)] {
        place.draw(&format!("photos/{split}"), numbers);
    }
    let jpeg = encode(&texture("checks", 30), ".jpg");
    place.write("photos/train/checks/whole.jpg", &jpeg);
    let refused: [(&str, &[u8], &str); 6] = [
        ("train/checks/cut.jpg", &jpeg[..jpeg.len() * 2 / 3], "the JPEG has no end marker"),
        (
            "train/stripes/text.jpg",
            b"hello",
            "not an image (it starts with \"hello\"); JPEG, PNG, BMP, TIFF and WebP are read",
        ),
        ("test/checks/empty.png", b"", "the file is empty"),
        ("test/checks/placeholder.gif", GIF, "GIF files are not supported; convert it to PNG or JPEG"),
        ("val/stripes/photo.heic", b"\0\0\0\x1cftypheic", "HEIF and AVIF files are not supported"),
        ("test/notes.txt", b"Anna took these", "not inside SPLIT/CLASS, ignored"),
    ];
    for (name, bytes, _) in refused {
        place.write(&format!("photos/{name}"), bytes);
    }
    let arms = "thumbnail-1nn,small-sift.toml,small-orb.toml";
    place.run(&format!("report --dataset photos --arms {arms}")).with(0).saying(&[
        "19 train, 6 val, 6 reported images",
        "unreadable: test/checks/empty.png (the file is empty); 2 more in the report",
        "unsupported: test/checks/placeholder.gif",
    ]);
    let page = one_line(&place.read(&format!("{OUT}/report.md")));
    for (name, _, reason) in refused {
        assert!(page.contains(name) && page.contains(reason), "{name} and `{reason}` are not in the report");
    }
    assert!(page.contains("2 images could not be read and have no prediction"), "{page}");
    for run in place.rows(&format!("{OUT}/runs.csv")) {
        let numbers = ["status", "n", "skipped"].map(|column| run[column].as_str());
        assert_eq!(numbers, ["ok", "6", "2"], "{}", run["arm"]);
    }
    let listed = place.rows(&format!("{OUT}/manifest.csv"));
    let unused: Vec<_> = listed.iter().filter(|row| row["role"].is_empty()).map(|row| row["path"].as_str()).collect();
    let mut expected: Vec<_> = refused.iter().map(|(name, ..)| *name).filter(|name| !name.ends_with(".txt")).collect();
    expected.sort_unstable();
    assert_eq!(unused, expected);
}

#[test]
fn an_image_without_a_keypoint_is_a_zero_vector_and_counted() {
    let place = Place::empty();
    place.draw("photos/train", 0..6);
    place.draw("photos/test", 6..9);
    for split in ["train", "test"] {
        place.write(&format!("photos/{split}/checks/flat.png"), encode(&flat(60, 90, [90, 120, 20]), ".png"));
    }
    place.write("photos/test/stripes/grey.png", encode(&flat(1, 1, [127; 3]), ".png"));
    place.run("report --dataset photos --arms small-sift.toml,small-orb.toml,thumbnail-1nn").with(0);
    for run in place.rows(&format!("{OUT}/runs.csv")) {
        let keypoints = if run["arm"] == "thumbnail-1nn" { "" } else { "2" };
        assert_eq!((run["without_keypoints"].as_str(), run["n"].as_str()), (keypoints, "11"), "{}", run["arm"]);
    }
    assert!(one_line(&place.read(&format!("{OUT}/report.md"))).contains("2 images without a single keypoint"));
}

#[test]
fn a_whole_data_set_without_a_keypoint_is_measured() {
    let place = Place::empty();
    for (class, red) in [("bright", 200), ("dark", 20)] {
        for number in 0..6 {
            let picture = flat(50, 40 + u32::from(number), [red, 100 + number, 0]);
            place.write(&format!("photos/{class}/{number}.png"), encode(&picture, ".png"));
        }
    }
    let ended = place.run("report --dataset photos --arms small-sift.toml,small-orb.toml,thumbnail-1nn");
    ended.with(0).saying(&["thumbnail-1nn 100.0", "small-sift 50.0", "small-orb 50.0"]);
}

#[test]
fn pictures_of_any_size_and_shape_are_measured() {
    let place = Place::with_photos();
    place.draw("photos/more", 0..0);
    let stripes = |x: u32, y: u32| [(x % 251) as u8, (y % 241) as u8, 90];
    for (name, width, height) in [("pixel", 1, 1), ("line", 1, 3000), ("wide", 20_000, 2), ("large", 5472, 3648)] {
        place.write(&format!("photos/stripes/{name}.jpg"), encode(&drawn(width, height, stripes), ".jpg"));
    }
    let arms = "metadata-1nn,thumbnail-1nn,small-orb.toml,resnet-frozen-svm";
    let ended = place.run(&format!("report --dataset photos --arms {arms} --input 32 --canvas native --canvas 64"));
    ended.with(0).saying(&["small: canvas 64 (3 of 28 images have a shorter side below 32 pixels and are enlarged)"]);
    let sizes: Vec<_> =
        place.rows(&format!("{OUT}/manifest.csv")).into_iter().map(|row| row["width"].clone()).collect();
    assert!(sizes.contains(&"5472".to_owned()) && sizes.contains(&"20000".to_owned()), "{sizes:?}");
}

#[test]
fn a_folder_that_cant_be_written_is_known_before_anything_is_measured() {
    let place = Place::with_photos();
    place.write("file", "");
    for out in ["file", "file/below"] {
        place
            .run(&format!("report --dataset photos --arms majority --out {out}"))
            .refused(&[&format!("cannot write {out}/photos"), "choose another --out"]);
    }
    assert_eq!(place.files("cache"), Vec::<String>::new());
    assert_eq!(place.read("file"), "");
}

#[test]
fn records_of_another_version_are_refused_with_the_remedy() {
    let place = Place::with_photos();
    let report = "report --dataset photos --arms majority";
    place.run(report).with(0);
    let whole = |file: &str| place.read(&format!("{OUT}/{file}"));
    let kept = ["runs.csv", "predictions.csv", "dataset.json"].map(|file| (file, whole(file)));
    let remedy =
        "the file is damaged or from another version of featbench: start over with --fresh or use another --out";
    for (file, from, to, found) in [
        ("runs.csv", "peak_mib", "peak_mb", "column `peak_mib` is missing"),
        ("runs.csv", "network\n", "network,colour\n", "runs.csv"),
        ("runs.csv", ",ok,", ",fine,", "runs.csv"),
        ("predictions.csv", "predicted", "guessed", "column `predicted` is missing"),
        ("dataset.json", "\"name\"", "\"nom\"", "dataset.json"),
        ("dataset.json", "}", "", "dataset.json"),
    ] {
        let changed = whole(file).replacen(from, to, 1);
        place.write(&format!("{OUT}/{file}"), &changed);
        place.run(report).refused(&[&format!("{OUT}/{file}: "), found, remedy]);
        place.run("report --from featbench-report").refused(&[found, remedy]);
        assert_eq!(whole(file), changed, "what is refused is left alone");
        kept.iter().for_each(|(file, text)| place.write(&format!("{OUT}/{file}"), text));
    }
    fs::remove_file(place.path(&format!("{OUT}/selection.csv"))).unwrap();
    place.run(report).refused(&["cannot read featbench-report/photos/selection.csv", "start over with --fresh"]);
    place.run(&format!("{report} --fresh")).with(0).saying(&["1 runs, 0 of them recorded"]);
    place.run(report).with(0).saying(&["1 runs, 1 of them recorded"]);
}

#[test]
fn an_arm_that_cant_be_measured_is_refused_with_its_file() {
    let place = Place::with_photos();
    let good = small_arm("mine", "root-sift", r#""k-means""#);
    for (from, to, found) in [
        ("words = [10]", "words = []", "codebook needs at least one candidate"),
        ("words = [10]", "words = [10, 0]", "words must be at least 1"),
        ("words = [10]", "words = [10], colour = 1", "unknown field `colour`"),
        ("\"k-means\"", "\"k-majority\"", "codebook kind = \"k-majority\" needs a binary descriptor, such as orb"),
        ("root-sift", "gloh", "unknown variant `gloh`"),
        ("linear_c = [0.3, 1.0]", "linear_c = [nan]", "NaN in linear_c, rbf_c or rbf_gamma must be a number above 0"),
        ("rbf_gamma = [1.0]", "rbf_gamma = [-2.0]", "-2 in linear_c, rbf_c or rbf_gamma must be a number above 0"),
        ("linear_c = [0.3, 1.0]\nrbf_c = [1.0]", "", "the grid is empty: give linear_c, or rbf_c with rbf_gamma"),
        ("name = \"mine\"", "name = \"My arm\"", "must consist of lower-case letters, digits and hyphens"),
        ("title", "tittle", "unknown field `tittle`"),
    ] {
        assert!(good.contains(from), "{from}");
        place.write("mine.toml", good.replace(from, to));
        let ended = place.run("measure --dataset photos --arms majority,mine.toml");
        let ended = ended.with(2).saying(&["error: mine.toml", found]);
        assert_eq!(ended.stdout, "");
    }
    place.run("measure --dataset photos --arms none.toml").refused(&["can't read the arm none.toml", "featbench list"]);
    place.write("again.toml", small_arm("small-sift", "orb", r#""k-means""#));
    place
        .run("measure --dataset photos --arms small-sift.toml,again.toml")
        .refused(&["two arms are called small-sift", "rename one in its file"]);
    place
        .run("measure --dataset photos --arms majority --canvas 64")
        .refused(&["nothing to run: the chosen arms read no pixels"]);
    assert!(!place.path("featbench-report").exists());
}

/// The file with an end marker behind its first half, as programs do that recover files.
fn recovered(jpeg: &[u8]) -> Vec<u8> {
    [&jpeg[..jpeg.len() / 2], &[0xff, 0xd9]].concat()
}

#[test]
fn files_say_what_they_are() {
    let place = Place::with_photos();
    let jpeg = encode(&texture("checks", 30), ".jpg");
    let mut animated = b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x4f\0\0\x4f\0\0".to_vec();
    animated.resize(38, 0);
    for (name, bytes, said) in [
        (
            "a.ppm",
            b"P6\n2 2\n255\n123456789012".to_vec(),
            "PBM, PGM and PPM files are not supported; convert it to PNG or JPEG",
        ),
        ("b.webp", animated, "animated WebP files are not supported"),
        ("c.jpg", recovered(&jpeg), " % of the JPEG's pixels are there"),
        ("d.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:0".to_vec(), "a pointer of Git LFS"),
        ("e.jpg", b"<!DOCTYPE html><html></html>".to_vec(), "not an image (a web page)"),
        ("f.jp2", b"\0\0\0\x0cjP  \r\n\x87\n".to_vec(), "JPEG 2000 files are not supported"),
    ] {
        place.write(&format!("photos/checks/{name}"), bytes);
        let ended = place.run("measure --dataset photos --arms majority --fresh").with(0).saying(&[name, said]);
        assert!(!ended.stderr.contains("premature end"), "{}", ended.stderr);
        fs::remove_file(place.path(&format!("photos/checks/{name}"))).unwrap();
    }
}

/// What libjpeg itself says has no file's name, and would come once an arm.
#[test]
fn a_jpeg_without_its_end_is_said_once_and_left_out() {
    let place = Place::with_photos();
    place.write("photos/checks/half.jpg", recovered(&encode(&texture("checks", 30), ".jpg")));
    let ended = place.run("report --dataset photos --arms small-sift.toml,small-orb.toml,thumbnail-1nn").with(0);
    assert_eq!(ended.stderr.matches("half.jpg").count(), 1, "{}", ended.stderr);
    assert!(!ended.stderr.contains("Corrupt JPEG"), "{}", ended.stderr);
    assert!(place.read(&format!("{OUT}/manifest.csv")).contains("checks/half.jpg,checks,,,"), "it has no role");
}

#[test]
fn a_jpeg_of_endless_scans_is_refused() {
    let place = Place::with_photos();
    let jpeg = encode(&texture("checks", 30), ".jpg");
    let scan = jpeg.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    let bomb = [&jpeg[..jpeg.len() - 2], &jpeg[scan..jpeg.len() - 2].repeat(200), &jpeg[jpeg.len() - 2..]].concat();
    place.write("photos/checks/bomb.jpg", bomb);
    place.run("measure --dataset photos --arms majority").with(0).saying(&["bomb.jpg (a JPEG of more than 100 scans"]);
}

/// 3 GiB that take no room on the disk.
#[test]
fn a_file_too_large_for_an_image_is_not_read() {
    let place = Place::with_photos();
    for (name, start) in [("text.jpg", b"hello".as_slice()), ("jpeg.jpg", &[0xff, 0xd8, 0xff])] {
        place.write(&format!("photos/checks/{name}"), start);
        let file = fs::OpenOptions::new().write(true).open(place.path(&format!("photos/checks/{name}"))).unwrap();
        file.set_len(3 << 30).unwrap();
    }
    place.run("measure --dataset photos --arms majority").with(0);
    let found = one_line(&place.read(&format!("{OUT}/dataset.json")));
    assert!(found.contains("it starts with") && found.contains("3.0 GiB, and no file of more than 256 MiB"), "{found}");
}

#[test]
fn memory_is_kept_to_and_a_picture_that_does_not_fit_is_named() {
    let place = Place::with_photos();
    let stripes = |x: u32, y: u32| [(x % 251) as u8, (y % 241) as u8, 90];
    place.write("photos/stripes/large.png", encode(&drawn(1500, 1000, stripes), ".png"));
    let report = "report --dataset photos --arms small-sift.toml,thumbnail-1nn";
    place.run(&format!("{report} --dry-run --memory 100M")).with(0).saying(&[
        "100 MiB allowed; the largest is stripes/large.png of 1500 x 1000",
        "small-sift needs 336 MiB for it: allow more with --memory, or measure on a --canvas",
    ]);
    place.run(&format!("{report} --memory 100M")).with(1).saying(&[
        "stripes/large.png: describing its 1500 x 1000 pixels takes more memory than there is; allow more with --memory",
        "needs 336 MiB of memory, and 100 MiB are allowed",
    ]);
    place.run(&format!("{report} --memory 10M")).refused(&["stripes/large.png: its 1500 x 1000 pixels", "--memory"]);
    place.run(&format!("{report} --memory 1G")).with(0).saying(&["small-sift"]);
    place.run(&format!("{report} --memory lots")).with(2).saying(&["found `lots`, expected a size as in 800M or 6G"]);
}

/// Results are kept under the hash that a file had when it was looked at.
#[test]
fn an_image_that_changes_while_it_is_measured_is_refused_and_poisons_no_cache() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let place = Place::with_photos();
    let arms = "measure --dataset photos --arms small-orb.toml,small-sift.toml";
    place.run(&format!("{arms} --out truth")).with(0);
    fs::remove_dir_all(place.path("cache")).unwrap();

    let (checks, stripes) = (place.path("photos/checks"), place.path("photos/stripes"));
    let swap = || {
        fs::rename(&checks, place.path("aside")).unwrap();
        fs::rename(&stripes, &checks).unwrap();
        fs::rename(place.path("aside"), &stripes).unwrap();
    };
    // an exclusive lock on the cache's place would be a race: the swap comes before anything but the scan is done
    let mut child = place.command(&format!("{arms} --threads 1")).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let begun = said.by_ref().map_while(Result::ok).any(|line| line.contains("reported images"));
    swap();
    let rest: Vec<String> = said.map_while(Result::ok).collect();
    let code = child.wait().unwrap().code();
    assert!(begun);
    swap();
    if code == Some(1) {
        let rest = rest.join(" ");
        assert!(rest.contains("is not the file that it was when the command began (SHA-256"), "{rest}");
    }
    place.run(arms).with(0);
    assert_eq!(place.read("truth/photos/predictions.csv"), place.read(&format!("{OUT}/predictions.csv")));
}
