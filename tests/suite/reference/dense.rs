//! Descriptors on a dense grid against VLFeat's values, which `tests/fixtures/vlfeat/README.md` explains.

use featbench::features::descriptor::{DenseSift, Descriptor, Descriptors, Grid, HogCells, Sizes};
use featbench::image::Grey;
use serde::Deserialize;

use super::vlfeat::picture;

/// Numbers of a cell of HOG.
const OF_A_CELL: usize = 31;

#[derive(Deserialize)]
struct Grids {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    flat: bool,
    bin: u32,
    step: u32,
    frames: usize,
    described: Vec<Described>,
}

#[derive(Deserialize)]
struct Described {
    frame: usize,
    x: f32,
    y: f32,
    descriptor: Vec<f64>,
}

#[derive(Deserialize)]
struct Hog {
    cases: Vec<Cells>,
}

#[derive(Deserialize)]
struct Cells {
    cell: u32,
    bilinear: bool,
    rows: usize,
    columns: usize,
    cells: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    row: usize,
    column: usize,
    values: Vec<f64>,
}

fn described(method: &dyn Descriptor) -> Descriptors {
    let grey = Grey { width: 120, height: 90, data: picture(120, 90) };
    method.open(None).unwrap().describe(&(&grey).into()).unwrap()
}

/// VLFeat's arctangent is a fast one: an exact implementation is within 1 % of it.
#[test]
fn dense_sift_is_within_a_hundredth_of_vlfeat() {
    let reference: Grids = serde_json::from_str(include_str!("../../fixtures/vlfeat/dsift.json")).unwrap();
    let flat: Vec<&Case> = reference.cases.iter().filter(|case| case.flat).collect();
    assert!(!flat.is_empty());
    for case in flat {
        let grids = vec![Sizes { shorter: 0, sizes: vec![case.bin], step: case.step }];
        let found = described(&DenseSift(Grid { longer: None, reduce: 1, smooth: false, grids }));
        assert_eq!(found.len(), case.frames);
        for expected in &case.described {
            let place = found.places()[expected.frame];
            assert_eq!((place.x, place.y, place.size), (expected.x, expected.y, 4.0 * case.bin as f32));
            // what the root was taken of, brought to length 1
            let floats = found.floats();
            let shares = floats[expected.frame * 128..][..128].iter().map(|&root| f64::from(root).powi(2));
            let length = shares.clone().map(|share| share * share).sum::<f64>().sqrt().max(1e-9);
            let differences = shares.zip(&expected.descriptor).map(|(share, value)| share / length - value);
            let error = differences.map(|difference| difference * difference).sum::<f64>().sqrt();
            assert!(error < 0.01, "size {}, frame {}: {error}", case.bin, expected.frame);
        }
    }
}

#[test]
fn hog_cells_are_those_of_vlfeat() {
    let reference: Hog = serde_json::from_str(include_str!("../../fixtures/vlfeat/hog.json")).unwrap();
    let nearest: Vec<&Cells> = reference.cases.iter().filter(|case| !case.bilinear).collect();
    assert!(!nearest.is_empty());
    for case in nearest {
        let found = described(&HogCells { longer: None, reduce: 1, sizes: vec![case.cell] });
        assert_eq!(found.len(), (case.rows - 1) * (case.columns - 1));
        let floats = found.floats();
        for cell in &case.cells {
            // the first cell of its block of 2 x 2, but for those of the last row and column
            let (top, left) = (cell.row.min(case.rows - 2), cell.column.min(case.columns - 2));
            let (block, at) = (top * (case.columns - 1) + left, 2 * (cell.row - top) + cell.column - left);
            let values = &floats[(4 * block + at) * OF_A_CELL..][..OF_A_CELL];
            for (&value, &expected) in values.iter().zip(&cell.values) {
                assert!((f64::from(value) - expected).abs() < 1e-5, "{} {}: {value}", cell.row, cell.column);
            }
        }
    }
}
