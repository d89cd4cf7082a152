//! Near-duplicates across the splits of the registered data sets, where their files are at hand.

use std::collections::BTreeMap;

use featbench::dataset::{Dataset, DatasetError};
use featbench::deep::session::Device;
use featbench::features::Resources;
use featbench::measure::near_duplicates;
use featbench::record::DatasetRecord;
use featbench::stage::cache::Cache;
use featbench::stage::progress::Progress;

/// The description with near-duplicates, or `None`, said on stderr, where the files are not on this machine.
fn described(name: &str) -> Option<DatasetRecord> {
    let dataset = match Dataset::open(name, None, 0) {
        Ok(dataset) => dataset,
        Err(error @ DatasetError::NotFound(_)) => {
            eprintln!("skipped: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let resources = Resources {
        cache: &Cache::open(folder.path().into(), false),
        threads: 2,
        canvas: None,
        progress: &Progress::Hidden,
        device: Device::cpu(),
        input: 224,
        backbone: None,
        seed: 0,
    };
    let record = near_duplicates::add(dataset.record(&[]), &dataset, &resources).unwrap();
    let again = near_duplicates::add(dataset.record(&[]), &dataset, &resources).unwrap();
    assert_eq!(record, again, "the cache gives what was found");
    Some(record)
}

#[test]
fn mini_natural_images() {
    let Some(record) = described("mini-natural-images") else { return };
    let mut classes: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for near in record.near_duplicates.iter().filter(|near| near.other_role == "train") {
        let class = near.image.split('/').nth(1).unwrap();
        classes.entry(class).or_default().push(near.rmse);
    }
    let within = |class: &str, rmse: f64| classes[class].iter().filter(|&&r| r <= rmse).count();
    assert_eq!(classes.keys().collect::<Vec<_>>(), [&"car", &"fruit"]);
    assert_eq!((within("fruit", 5.0), within("fruit", 10.0), within("car", 10.0)), (7, 15, 1));
}

#[test]
fn hymenoptera() {
    let Some(record) = described("hymenoptera") else { return };
    assert_eq!(record.near_duplicate_rmse, Some(10));
    assert_eq!(record.near_duplicates, []);
}
