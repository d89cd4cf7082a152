//! From a folder to answers: measured, the recommended arm exported without its name, images classified with a threshold.

use super::Place;
use super::data::CLASSES;

/// Photographs with splits of their own, so that val is not learnt from, and two small arms that were reported.
fn reported() -> Place {
    let place = Place::empty();
    place.draw_parts("photos", 0);
    let report = place.run("report --dataset photos --arms small-sift.toml,small-orb.toml").with(0);
    let command = "featbench export --dataset photos -o photos.featbench";
    report.saying(&["Let it answer", "featbench classify --min-confidence", command]);
    assert!(place.read("featbench-report/photos/report.md").contains(command));
    place
}

#[test]
fn the_recommended_arm_is_exported_and_answers_where_it_is_sure() {
    let place = reported();
    let exported = place.run("export --dataset photos -o out/photos.featbench").with(0);
    exported.saying(&["Take small-", "The best is that of the selection images", "photos.featbench ("]);
    let bytes = std::fs::read(place.path("out/photos.featbench")).unwrap();
    let run = &place.rows("featbench-report/photos/runs.csv");
    let sizes: Vec<usize> = run.iter().map(|run| run["file_bytes"].parse().unwrap()).collect();
    assert!(sizes.contains(&bytes.len()), "{} is none of {sizes:?}", bytes.len());
    // without the data set's name the records say it
    place.run("export -o again.featbench").with(0);
    assert_eq!(std::fs::read(place.path("again.featbench")).unwrap(), bytes);

    let before = place.files("photos");
    let classified = place.run("classify out/photos.featbench photos/test --top 3 -o out/found.csv").with(0);
    assert_eq!(classified.stdout, "");
    let all = place.rows("out/found.csv");
    assert_eq!(all.len(), 3 * place.files("photos/test").len());
    for image in all.chunks(3) {
        let p: Vec<f64> = image.iter().map(|row| row["score"].parse().unwrap()).collect();
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-6 && p[0] >= p[1] && p[1] >= p[2]);
        assert!(image.iter().all(|row| row["kind"] == "probability" && row["answer"] == image[0]["label"]));
    }
    let mut surest: Vec<f64> = all.chunks(3).map(|image| image[0]["score"].parse().unwrap()).collect();
    surest.sort_by(f64::total_cmp);
    let threshold = surest[surest.len() / 2];
    let some = format!("classify out/photos.featbench photos/test --min-confidence {threshold}");
    place.run(&format!("{some} --top 3 -o out/some.csv")).with(0);
    for (sure, unsure) in all.iter().zip(place.rows("out/some.csv")) {
        assert_eq!(
            (&sure["image"], &sure["label"], &sure["score"]),
            (&unsure["image"], &unsure["label"], &unsure["score"])
        );
        let image = all.iter().find(|row| row["image"] == sure["image"]).unwrap();
        let answers = image["score"].parse::<f64>().unwrap() >= threshold;
        assert_eq!(unsure["answer"], if answers { image["label"].as_str() } else { "" });
    }
    let text = place.run(&some).with(0).stdout;
    let unsure = text.lines().filter(|line| line.contains(": unsure (")).count();
    assert_eq!(unsure, surest.len() / 2, "{text}");
    let json = place.run(&format!("{some} --json")).with(0).stdout;
    assert_eq!(json.lines().filter(|line| line.contains("\"answer\":null")).count(), unsure);
    assert_eq!(place.files("photos"), before, "no image was moved");
}

#[test]
fn a_table_is_whole_or_not_there_and_no_image_is_written_over() {
    let place = reported();
    place.run("export --dataset photos -o photos.featbench").with(0);
    let image = format!("photos/test/{}/{}", CLASSES[0], first_of(&place));
    let bytes = std::fs::read(place.path(&image)).unwrap();
    let over = format!("classify photos.featbench photos/test -o {image}");
    place.run(&over).with(2).saying(&["is one of the images, which stay as they are"]);
    assert_eq!(std::fs::read(place.path(&image)).unwrap(), bytes);
    place.run("classify photos.featbench gone.png -o out/found.csv").with(2).saying(&["gone.png: can't be read"]);
    assert!(place.files("out").is_empty(), "{:?}", place.files("out"));
    place.run("classify photos.featbench photos/test -o photos").with(2).saying(&["can't write photos"]);
    let some = format!("classify photos.featbench gone.png {image} -o out/found.csv");
    place.run(&some).with(1).saying(&["gone.png: can't be read"]);
    assert_eq!(place.rows("out/found.csv").len(), 3);
    place
        .run(&format!("classify photos.featbench {image} --min-confidence 90"))
        .with(2)
        .saying(&["no probability from 0 to 1"]);
}

/// The first file of the first class.
fn first_of(place: &Place) -> String {
    place.files(&format!("photos/test/{}", CLASSES[0])).remove(0)
}

#[test]
fn a_file_without_a_temperature_still_classifies_and_says_what_it_lacks() {
    let place = reported();
    place.run("export --dataset photos -o new.featbench").with(0);
    let new = std::fs::read(place.path("new.featbench")).unwrap();
    // version 1 ends before the temperature: one byte that says that there is one, and eight
    let body = &new[48..new.len() - 9];
    let old = [&new[..12], &1u32.to_le_bytes()[..], blake3::hash(body).as_bytes(), body].concat();
    place.write("old.featbench", old);
    let first = first_of(&place);
    let image = format!("photos/test/{}/{first}", CLASSES[0]);
    let margins = place.run(&format!("classify old.featbench {image} --csv")).with(0).stdout;
    assert!(margins.contains(",margin,"), "{margins}");
    let refused = place.run(&format!("classify old.featbench {image} --min-confidence 0.5")).with(2);
    refused.saying(&["--min-confidence needs probabilities", "export the arm again"]);
    let mut other = new.clone();
    other[12] = 9;
    place.write("other.featbench", other);
    place.run(&format!("classify other.featbench {image}")).with(2).saying(&["its format has version 9"]);
}

#[test]
fn without_records_no_arm_is_recommended_and_it_is_said_what_to_do() {
    let place = Place::with_photos();
    let refused = |arguments: &str, texts: &[&str]| {
        place.run(&format!("export -o a.onnx {arguments}")).with(2).saying(texts);
    };
    refused("--dataset photos", &["featbench-report has no records of these images of photos", "featbench report"]);
    refused("", &["featbench-report has no records", "--arm"]);
    refused("--dataset photos --backbone resnet18-cntk", &["--backbone with --dataset needs --arm"]);
    assert!(!place.path("a.onnx").exists());
}
