//! `featbench sweep`: points of one factor in one folder of records, resumed, with what they say; and what draws or shows
//! images.

use super::{Ended, Place};

#[test]
fn a_sweep_is_recorded_point_by_point_and_goes_on() {
    let place = Place::with_photos();
    let arguments = "sweep photos --factors contrast --arms small-sift.toml,majority --seeds 0,1 --out out";
    let first = place.run(arguments).with(0);
    first.saying(&["1/10 photos;val=60;test=60;draw=0", "10/10 photos;val=60;test=60;contrast=0.06;draw=1"]);
    let rows = place.rows("out/sweep/photos/runs.csv");
    assert_eq!(rows.len(), 5 * 2 * 2, "levels, seeds, arms");
    assert!(rows.iter().all(|row| row["status"] == "ok" && row["n"] == rows[0]["n"]));
    let predictions = place.rows("out/sweep/photos/predictions.csv");
    assert!(predictions.iter().all(|row| row["scores"].is_empty() && !row["predicted"].is_empty()));
    let page = std::fs::read_to_string(place.path("out/sweep/photos/report.md")).unwrap();
    assert!(page.contains("## Contrast of reported images") && page.contains("| `small-sift`"), "{page}");
    assert!(page.contains("\nfeatbench sweep photos --factors contrast --arms small-sift.toml,majority --seeds 0,1\n"));
    assert!(place.path("out/sweep/photos/plots/sweep.svg").exists());

    let before = std::fs::read(place.path("out/sweep/photos/runs.csv")).unwrap();
    let again = place.run(arguments).with(0);
    assert!(!again.stderr.contains("small-sift, native"), "nothing is measured twice: {}", again.stderr);
    assert_eq!(std::fs::read(place.path("out/sweep/photos/runs.csv")).unwrap(), before);
    place.run("report --check --from out").with(0);
    let points = place.run("sweep photos --factors classes,contrast --seeds 0 --dry-run").with(0).stdout;
    assert!(points.starts_with("photos;classes=2;"), "{points}");
    place
        .run("sweep photos --factors pose --arms majority --out out")
        .refused(&["pose can't be set in the images of photos"]);
}

#[test]
fn an_experiment_may_be_a_sweep() {
    let place = Place::empty();
    let ended = place.run("experiment scratch --dry-run").with(0);
    assert!(
        ended.stdout.contains("procedural,train=128,val=60,test=60,seed=1;train=16;draw=1, seed 1"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.ends_with("12 data sets, 2 arms on each\n"), "{}", ended.stdout);
    let known = "no experiment is called `scrach`, did you mean `scratch`?; there are one-cycle, transfer, scratch";
    place.run("experiment scrach").refused(&[known]);
    let one = place.run("experiment scratch --arms resnet-scratch --dry-run").with(0).stdout;
    assert!(one.ends_with("12 data sets, 1 arms on each\n"), "{one}");
    place.run("experiment scratch --arms sift").refused(&["no arm of this experiment is called `sift`; there are "]);
}

#[test]
fn drawn_images_come_as_a_folder_that_is_the_same_data_set() {
    let place = Place::empty();
    let settings = "procedural,classes=3,train=4,val=2,test=2";
    place.run(&format!("generate {settings} --out drawn")).with(0).saying(&["24 images in drawn"]);
    assert_eq!(place.files("drawn").len(), 24);
    for (arguments, name) in [(settings, settings), ("./drawn", "drawn")] {
        place.run(&format!("measure --dataset {arguments} --arms thumbnail-1nn --out out")).with(0);
        assert_eq!(place.rows(&format!("out/{name}/runs.csv")).len(), 1);
    }
    let predicted = |name: &str| -> Vec<[String; 3]> {
        let rows = place.rows(&format!("out/{name}/predictions.csv"));
        rows.into_iter().map(|mut row| ["image", "truth", "predicted"].map(|key| row.remove(key).unwrap())).collect()
    };
    assert_eq!(predicted(settings), predicted("drawn"));
    place.run("generate photos --out x").refused(&["no data set `photos`"]);
}

#[test]
fn a_contact_sheet_is_a_picture_of_any_data_set() {
    let place = Place::with_photos();
    place.run("show photos --columns 2,1,1 --out sheet.png").with(0).saying(&["sheet.png"]);
    let sheet = featbench::image::decode_rgb(&std::fs::read(place.path("sheet.png")).unwrap()).unwrap();
    assert_eq!((sheet.width, sheet.height), (132 + 4 * 100 + 3 * 4, 30 + 4 + 4 + 3 * 100));
    place.run("show photos --out sheet.gif").refused(&["a contact sheet is a .png or a .jpg file"]);
    let ended: Ended = place.run("show photos --columns 2,1");
    ended.with(2).saying(&["three numbers, as in 6,2,4"]);
}
