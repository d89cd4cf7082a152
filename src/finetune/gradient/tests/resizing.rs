//! Resize, against sums of pixels by their distance.

use super::*;

/// Shares of the pixels around a place, by how far they are away.
type Share = fn(f64) -> f64;

/// One axis of a picture: from the places of the new pixels to shares of the old ones, of which those beyond the edge are
/// the edge.
fn along(side: usize, count: usize, place: impl Fn(f64) -> f64, share: Share) -> Vec<Vec<f64>> {
    let row = |i: usize| {
        let (at, mut shares) = (place(i as f64), vec![0.0; side]);
        for pixel in at.floor() as i64 - 1..=at.floor() as i64 + 2 {
            shares[pixel.clamp(0, side as i64 - 1) as usize] += share((at - pixel as f64).abs());
        }
        shares
    };
    (0..count).map(row).collect()
}

fn resized(x: &[f64], [rows, columns]: [&[Vec<f64>]; 2]) -> Vec<f64> {
    let (height, width) = (rows[0].len(), columns[0].len());
    let mut y = Vec::new();
    for picture in x.chunks(height * width) {
        for (row, column) in rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column))) {
            y.push((0..height * width).map(|i| picture[i] * row[i / width] * column[i % width]).sum());
        }
    }
    y
}

fn cubic(distance: f64) -> f64 {
    let a = -0.75;
    match distance {
        d if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
        d if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
        _ => 0.0,
    }
}

/// To sides that are stated, as transformers export their tables of positions.
#[test]
fn to_sides() {
    let kinds: [(&str, &str, Share); 3] = [
        ("linear", "half_pixel", |d| (1.0 - d).max(0.0)),
        ("linear", "align_corners", |d| (1.0 - d).max(0.0)),
        ("cubic", "half_pixel", cubic),
    ];
    for ((mode, places, share), [height, width]) in
        kinds.into_iter().flat_map(|kind| [[5, 7], [2, 4], [4, 3]].map(|sides| (kind, sides)))
    {
        let axis = |side: usize, count: usize| {
            let factor = side as f64 / count as f64;
            let corners = (side - 1) as f64 / (count - 1) as f64;
            let is_corners = places == "align_corners";
            along(side, count, |i| if is_corners { i * corners } else { (i + 0.5) * factor - 0.5 }, share)
        };
        let (rows, columns) = (axis(4, height), axis(3, width));
        let text = |text: &str| Attribute::Text(text.into());
        let resize = node("Resize", &[&[2, 2, 4, 3], &[0], &[0]]).learned(1).with("mode", text(mode));
        let resize = resize.with("coordinate_transformation_mode", text(places));
        resize.ints(&[2, 2, height as i64, width as i64]).check(&[], &|x| resized(&x[0], [&rows, &columns]));
    }
}

/// By whole factors, as in pyramids.
#[test]
fn by_factors() {
    let resize = |scales: Vec<f32>| {
        let mut graph = Graph::new("resize");
        let inner = graph.node("Identity", &["input 0"], &[]);
        let scales = graph.floats(Tensor::new(&[4], scales));
        let text = |text: &str| Attribute::Text(text.into());
        let nearest = [
            ("coordinate_transformation_mode", text("asymmetric")),
            ("nearest_mode", text("floor")),
            ("keep_aspect_ratio_policy", text("stretch")),
        ];
        graph.node_to("Resize", &[&inner, "", &scales], &nearest, &["y"]);
        Network::new(graph, &[&[1, 2, 2, 3]])
    };
    resize(vec![1.0, 1.0, 2.0, 3.0]).check("Resize", &[], &|x| {
        let place = |i: usize| i / 36 * 6 + i % 36 / 9 / 2 * 3 + i % 9 / 3;
        (0..72).map(|i| x[0][place(i)]).collect()
    });
    let channels = resize(vec![1.0, 2.0, 1.0, 1.0]).record().err().unwrap().to_string();
    assert!(channels.contains("only the last two sides can change"), "{channels}");
}
