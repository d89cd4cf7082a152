//! Is something wrong with the pictures? What a user who has put something wrong into a folder is told.

use std::collections::HashSet;

use featbench::record::Records;

use super::data::{CLASSES, drawn, encode, texture};
use super::{Place, one_line};

#[test]
fn a_shortcut_is_named_before_the_accuracies() {
    let place = Place::empty();
    for (i, class) in CLASSES.iter().enumerate() {
        for number in 0..30 {
            // one class comes in larger pictures, and in a frame
            let inside = texture(CLASSES[(number as usize + i) % 3], number);
            let side = if i == 0 { 96 } else { 80 };
            let framed = drawn(side, side, |x, y| {
                let (left, top) = (x.wrapping_sub((side - 80) / 2), y.wrapping_sub((side - 80) / 2));
                let place = 3 * (top * 80 + left) as usize;
                if left < 80 && top < 80 { inside.data[place..place + 3].try_into().unwrap() } else { [250; 3] }
            });
            place.write(&format!("photos/{class}/{number:02}.png"), encode(&framed, ".png"));
        }
    }
    let said = place.run("report --dataset photos --arms majority --out out").with(0);
    let printed = one_line(&said.stdout);
    assert!(printed.contains("Is something wrong with the pictures? - "), "{printed}");
    for text in ["Shortcuts: ", "size in pixels", "border", "Labels were not judged: no arm beyond the floors"] {
        assert!(printed.contains(text), "no `{text}`: {printed}");
    }
    let place_of = |text: &str| printed.find(text).unwrap_or_else(|| panic!("no `{text}`: {printed}"));
    assert!(place_of("Shortcuts") < place_of("Native images"), "before the accuracies");
    let page = one_line(&place.read("out/photos/report.md"));
    assert!(page.contains("| camera | ") && page.contains("| the same everywhere |"), "{page}");
    // nothing is looked at twice, and the record stays what it is
    let before = place.read("out/photos/audit.json");
    place.run("report --dataset photos --arms majority --out out").with(0);
    assert_eq!(before, place.read("out/photos/audit.json"));
}

#[test]
fn swapped_labels_come_first() {
    let place = Place::empty();
    let mut swapped = HashSet::new();
    for (i, class) in CLASSES.iter().enumerate() {
        for number in 0..60 {
            // 5 %
            let wrong = number % 20 == 7 + i as u32;
            let shown = CLASSES[(i + usize::from(wrong)) % 3];
            let part = if number % 5 == 4 { "val" } else { "train" };
            let inside = format!("{part}/{class}/{number:02}.png");
            place.write(&format!("photos/{inside}"), encode(&texture(shown, number + 100 * i as u32), ".png"));
            swapped.extend(wrong.then_some(inside));
        }
        for number in 0..12 {
            let picture = texture(class, 1000 + number + 100 * i as u32);
            place.write(&format!("photos/test/{class}/{number:02}.png"), encode(&picture, ".png"));
        }
    }
    let said = place.run("report --dataset photos --arms small-sift.toml --out out").with(0);
    let labels = Records::read(&place.path("out/photos")).unwrap().audit.unwrap().labels.unwrap();
    assert_eq!((labels.arm.as_str(), labels.images, swapped.len()), ("small-sift", 180, 9));
    let first = labels.suspects.iter().filter(|suspect| suspect.role != "test").take(swapped.len());
    let found = first.filter(|suspect| swapped.contains(&suspect.image)).count();
    assert!(found >= 6, "{found} of {} among as many that are ranked first: {labels:?}", swapped.len());
    assert!(one_line(&said.stdout).contains("labels look wrong to small-sift, which agrees with"), "{}", said.stdout);
    let page = one_line(&place.read("out/photos/report.md"));
    assert!(page.contains("Labels that look wrong") && page.contains(&labels.suspects[0].image), "{page}");
    place.run("report --dataset photos --arms small-sift.toml --out out --thumbnails").with(0);
    assert!(place.read("out/photos/report.html").matches("<img class=\"thumbnail\"").count() >= found);
}
