//! `featbench explain`: what is drawn adds up to what is said, whether an arm comes from a file or is fitted here.

use featbench::image::decode_rgb;

use super::Place;

/// The numbers of a line `...: LABEL, MARGIN over OTHER = places A, without a place B, constant C`.
fn numbers(line: &str) -> (f64, [f64; 3]) {
    let (answer, parts) = line.rsplit_once(" = ").unwrap_or_else(|| panic!("{line}"));
    let margin = answer.rsplit(", ").next().unwrap().split(' ').next().unwrap();
    let parts: Vec<f64> = parts.split(", ").map(|part| part.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    (margin.parse().unwrap(), parts.try_into().unwrap())
}

/// Small words, counted in cells, under a linear machine.
const WORDS: &str = r#"
name = "words"
family = "handcrafted"
title = ""
expectation = ""
[features]
kind = "local"
sample = 500
descriptor = { kind = "dense-sift", grids = [{ shorter = 0, sizes = [4], step = 4 }] }
codebook = [{ kind = "k-means", words = [8] }]
space = [{ cells = [[1, 1], [2, 1]] }]
[classifier]
kind = "svm"
scale = "standardise"
linear_c = [0.1]
"#;

#[test]
fn parts_add_up_to_the_margin_in_every_form() {
    let place = Place::with_photos();
    place.write("words.toml", WORDS);
    let both = "explain --arms words.toml,resnet-frozen-softmax --dataset photos --input 32 photos/stripes/00.png";
    let ended = place.run(&format!("{both} -o both.png")).with(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!((lines.len(), lines[2]), (3, "both.png"), "{lines:?}");
    for line in &lines[..2] {
        let (margin, parts) = numbers(line);
        assert!(margin > 0.0 && (margin - parts.iter().sum::<f64>()).abs() < 2.5e-3, "{line}");
        assert_eq!(parts[1], 0.0, "everything has a place");
    }
    let page = decode_rgb(&std::fs::read(place.path("both.png")).unwrap()).unwrap();
    assert!(page.width > 3 * 400 && page.height > 300, "{} x {}", page.width, page.height);
    assert!(page.data.chunks_exact(3).any(|p| p[0] > 150 && p[2] < 90), "something speaks for it");

    place.run("export --arm words.toml --dataset photos -o words.featbench").with(0);
    place.run("export --arm resnet-frozen-softmax --dataset photos --input 32 -o network.onnx").with(0);
    let exported = place.run("explain words.featbench network.onnx photos/stripes -o why").with(0).stdout;
    let of_arm = |text: &str, number: usize| {
        let mut lines = text.lines().filter(|line| line.starts_with("photos/stripes/00.png"));
        lines.nth(number).map(numbers).unwrap()
    };
    for arm in 0..2 {
        let (of_file, fitted) = (of_arm(&exported, arm), of_arm(&ended.stdout, arm));
        assert!((of_file.0 - fitted.0).abs() < 2.5e-3, "{of_file:?} {fitted:?}");
    }
    assert_eq!(place.files("why").len(), 8);
}

#[test]
fn what_can_t_be_explained_is_said_with_what_to_do() {
    let place = Place::with_photos();
    let refused = |arguments: &str, texts: &[&str]| {
        place.run(&format!("explain {arguments}")).with(2).saying(texts);
    };
    place.write("rbf.toml", WORDS.replace("linear_c = [0.1]", "rbf_c = [1.0]\nrbf_gamma = [0.1]"));
    let image = "photos/stripes/00.png";
    refused(
        &format!("--arms rbf.toml --dataset photos {image} -o a.png"),
        &["no linear function of the features", "leave `linear_c`", "--arms FILE.toml"],
    );
    refused(&format!("--arms metadata-1nn --dataset photos {image} -o a.png"), &["it looks at no pixels"]);
    refused(&format!("{image} -o a.png"), &["name what is to be explained"]);
    refused("words.featbench -o a.png", &["name an image"]);
    refused("words.featbench photos -o a.png", &["one file for 24 images"]);
    refused(&format!("words.featbench {image} -o a.jpg"), &["pictures are PNG files"]);
    refused(&format!("words.featbench {image} -o a.png"), &["words.featbench: can't be read"]);
    assert!(!place.path("a.png").exists());
}
