//! Many pictures in one, in rows and columns with headings: for looking at a data set.

use super::Rgb;
use super::resize::fitted;
use super::sheet::{BLACK, Look, Text, blank, fill, paste, write};

/// Side of the square that a picture is fitted into, and the space around it, in pixels.
const CELL: u32 = 96;
const GAP: u32 = 4;
/// Width of the column with the names of rows, and height of the line with those of groups.
const NAMES: u32 = 132;
const HEADING: u32 = 30;
/// Height of the bar that marks a group's columns.
const BAR: u32 = 4;

/// Colours of the groups' bars.
const GROUPS: [[u8; 3]; 3] = [[31, 119, 180], [150, 150, 150], [214, 120, 20]];

/// Columns that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: String,
    pub columns: usize,
}

/// One row: its name, and the pictures of each group; what is missing stays white.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    pub groups: Vec<Vec<Rgb>>,
}

/// The sheet as one picture.
pub fn contact_sheet(groups: &[Group], rows: &[Row]) -> Rgb {
    let step = CELL + GAP;
    let columns: usize = groups.iter().map(|group| group.columns).sum();
    let width = NAMES + columns as u32 * step + GAP * groups.len() as u32;
    let height = HEADING + BAR + GAP + rows.len() as u32 * step;
    let mut sheet = blank(width, height);
    let mut texts = Vec::new();
    let mut left = NAMES;
    for (i, group) in groups.iter().enumerate() {
        let wide = group.columns as u32 * step;
        texts.push(text(&group.name, left, HEADING - 9));
        fill(&mut sheet, [left, HEADING], [wide - GAP, BAR], GROUPS[i % GROUPS.len()]);
        for (y, row) in rows.iter().enumerate() {
            let top = HEADING + BAR + GAP + y as u32 * step;
            let pictures = row.groups.get(i).into_iter().flatten().take(group.columns);
            pictures.enumerate().for_each(|(x, picture)| place(&mut sheet, picture, [left + x as u32 * step, top]));
        }
        left += wide + GAP;
    }
    let middle = |y: usize| HEADING + BAR + GAP + y as u32 * step + CELL / 2 + 5;
    texts.extend(rows.iter().enumerate().map(|(y, row)| text(&row.name, 8, middle(y))));
    write(&mut sheet, &texts);
    sheet
}

fn text(text: &str, x: u32, y: u32) -> Text {
    Text { text: text.to_owned(), x, y, look: Look { scale: 0.5, bold: false, colour: BLACK } }
}

/// Fits the picture into the cell that begins here, in its own aspect.
fn place(sheet: &mut Rgb, picture: &Rgb, [left, top]: [u32; 2]) {
    let small = fitted(picture, CELL);
    let (left, top) = (left + (CELL - small.width) / 2, top + (CELL - small.height) / 2);
    paste(sheet, &small, [left, top]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::drawn::pattern;

    #[test]
    fn pictures_stand_in_their_rows_and_groups() {
        let groups = [("train", 2), ("test", 1)].map(|(name, columns)| Group { name: name.into(), columns });
        let black = |width, height| Rgb { width, height, data: vec![0; (3 * width * height) as usize] };
        let rows = [
            Row { name: "a".into(), groups: vec![vec![black(10, 10)], vec![black(300, 100), pattern(5, 5)]] },
            Row { name: "b".into(), groups: vec![vec![black(1, 1), black(7, 7)]] },
        ];
        let sheet = contact_sheet(&groups, &rows);
        assert_eq!((sheet.width, sheet.height), (132 + 3 * 100 + 8, 30 + 4 + 4 + 200));
        let at = |x: u32, y: u32| sheet.data[3 * (y * sheet.width + x) as usize];
        let top = HEADING + BAR + GAP;
        assert_eq!(
            [at(140, top + 5), at(240, top + 5), at(240, top + 105)],
            [0, 255, 0],
            "one, none, the second row's"
        );
        let last = 132 + 204;
        assert_eq!([at(last + 5, top + 5), at(last + 5, top + 48)], [255, 0], "a third as high as wide, in the middle");
        assert_eq!(at(last + 5, top + 148), 255, "the second row has nothing there");
    }
}
