//! A small part of `cargo bench --bench planted`: copies are planted among drawn pictures, and among photographs where
//! they are on this machine, and looked for.

use std::collections::HashMap;

use featbench::dataset::{Dataset, DatasetError, ImageFile};
use featbench::deep::session::Device;
use featbench::features::Resources;
use featbench::measure::near_duplicates;
use featbench::stage::cache::Cache;
use featbench::stage::progress::Progress;

#[path = "../../benches/planted/plant.rs"]
mod plant;

use plant::{Image, Kind, plant};

fn image(image: &ImageFile) -> Image {
    let mut parts = image.id.rsplit('/');
    let (name, class) = (parts.next().unwrap(), parts.next().unwrap());
    Image { class: class.into(), name: format!("{name}.img"), bytes: image.read().unwrap() }
}

/// Shares of planted copies that are found, and of other images that are taken for copies.
fn shares(dataset: &Dataset, each: usize, step: usize) -> ([f64; 3], f64) {
    let some = |images: &[std::sync::Arc<ImageFile>]| -> Vec<Image> {
        images.iter().step_by(step).map(|file| image(file)).collect()
    };
    let (learned, reported) = (some(dataset.splits.train.images()), some(dataset.splits.test.images()));
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("pictures");
    let planting = plant(&place, &learned, &reported, each, 5).unwrap();
    let with = Dataset::open(place.to_str().unwrap(), None, 0).unwrap();
    assert_eq!(with.splits.test.len(), reported.len() + 3 * each / 2, "every file is an image");
    let resources = Resources {
        cache: &Cache::open(folder.path().join("cache"), false),
        threads: 2,
        canvas: None,
        progress: &Progress::Hidden,
        device: Device::cpu(),
        input: 224,
        backbone: None,
        seed: 0,
    };
    let found = near_duplicates::add(with.record(&[]), &with, &resources).unwrap().near_duplicates;
    let changes: HashMap<&str, (&str, &str)> =
        found.iter().map(|near| (near.image.as_str(), (near.other.as_str(), near.change.as_str()))).collect();
    let of_kind = |kind: Kind| {
        let planted: Vec<_> = planting.planted.iter().filter(|planted| planted.kind == kind).collect();
        let hits: Vec<&str> = planted
            .iter()
            .filter_map(|planted| {
                let (other, change) = changes.get(planted.reported.as_str())?;
                (*other == planted.other).then_some(*change)
            })
            .collect();
        let named = hits.iter().filter(|change| change.contains(kind.name())).count();
        assert!(kind == Kind::Recompressed || named * 10 >= hits.len() * 9, "{}: {hits:?}", kind.name());
        hits.len() as f64 / planted.len() as f64
    };
    let alarms = found.iter().filter(|near| planting.clean.contains(&near.image)).count();
    (Kind::ALL.map(of_kind), alarms as f64 / planting.clean.len() as f64)
}

#[test]
fn copies_of_drawn_pictures_are_found() {
    let drawn = Dataset::open("procedural,classes=8,train=12,val=2,test=12", None, 0).unwrap();
    let (found, alarms) = shares(&drawn, 40, 1);
    assert!(found.iter().all(|&share| share >= 0.95) && alarms <= 0.01, "{found:?}, {alarms}");
}

#[test]
fn copies_of_photographs_are_found() {
    let photographs = match Dataset::open("mini-natural-images", None, 0) {
        Ok(dataset) => dataset,
        Err(error @ DatasetError::NotFound(_)) => {
            eprintln!("skipped: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let (found, alarms) = shares(&photographs, 40, 6);
    // frames of one turning fruit stand on both sides, and are no mistakes
    assert!(found.iter().all(|&share| share >= 0.95) && alarms <= 0.03, "{found:?}, {alarms}");
}
