//! The same seed on the same machine gives the same records, whatever the number of threads, the cache or the order.

use super::{Place, assert_same_records};

const ARMS: &str = "majority,metadata-1nn,thumbnail-1nn,small-sift.toml,small-orb.toml,resnet-frozen-svm";

#[test]
fn records_depend_on_neither_threads_nor_cache() {
    let place = Place::with_photos();
    let measure = format!("measure --dataset photos --arms {ARMS} --input 32 --canvas native --canvas 64 --seeds 5");
    place.run(&format!("{measure} --out one --threads 1")).with(0);
    place.run(&format!("{measure} --out warm --threads 3")).with(0);
    assert_same_records(&place, "one/photos", "warm/photos");
    place.run("cache --clear").with(0);
    place.run(&format!("{measure} --out cold --threads 3")).with(0);
    assert_same_records(&place, "one/photos", "cold/photos");

    let threads = |out: &str| place.rows(&format!("{out}/photos/runs.csv"))[0]["threads"].clone();
    assert_eq!((threads("one"), threads("cold")), ("1".to_owned(), "3".to_owned()));
}

#[test]
fn records_stand_in_one_order_whatever_was_measured_first() {
    let place = Place::with_photos();
    place.run("measure --dataset photos --arms small-orb.toml,majority,small-sift.toml --seeds 1,0 --out one").with(0);
    for (arm, seed) in [("small-sift.toml", 0), ("majority", 1), ("small-sift.toml", 1)] {
        place.run(&format!("measure --dataset photos --arms {arm} --seeds {seed} --out other")).with(0);
    }
    place.run("measure --dataset photos --arms majority,small-orb.toml --seeds 0,1 --out other").with(0);
    assert_same_records(&place, "one/photos", "other/photos");
}

#[test]
fn another_seed_is_another_vocabulary_on_the_same_split() {
    let place = Place::with_photos();
    place
        .run("measure --dataset photos --arms small-sift.toml --seeds 0,1")
        .with(0)
        .saying(&["2 runs, 0 of them recorded"]);
    let predictions = place.rows("featbench-report/photos/predictions.csv");
    let (first, second) = predictions.split_at(6);
    let images = |rows: &[super::Row]| rows.iter().map(|row| row["image"].clone()).collect::<Vec<_>>();
    let scores = |rows: &[super::Row]| rows.iter().map(|row| row["scores"].clone()).collect::<Vec<_>>();
    assert_eq!(images(first), images(second));
    assert_ne!(scores(first), scores(second));
}
