//! White sheets that pictures, bars and texts are put on: what everything has in common that the program draws in pixels.

use opencv::core::{Mat, Point, Scalar, Vec3b};
use opencv::imgproc::{FONT_HERSHEY_SIMPLEX, LINE_AA, get_text_size, put_text};

use super::{Rgb, tame_opencv};

/// Of texts that nothing else is said of.
pub const BLACK: [u8; 3] = [30, 30, 30];

/// A line of text: its left end and its base line, in pixels. Only letters of ASCII can be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    pub text: String,
    pub x: u32,
    pub y: u32,
    pub look: Look,
}

/// How a text looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// 1 is some 22 pixels from line to line.
    pub scale: f64,
    pub bold: bool,
    pub colour: [u8; 3],
}

/// An empty sheet.
pub fn blank(width: u32, height: u32) -> Rgb {
    Rgb { width, height, data: vec![255; 3 * width as usize * height as usize] }
}

/// Fills a rectangle, which must lie on the sheet, by its left upper corner and its size.
pub fn fill(sheet: &mut Rgb, [left, top]: [u32; 2], [wide, high]: [u32; 2], colour: [u8; 3]) {
    for y in top..top + high {
        let start = 3 * (y * sheet.width + left) as usize;
        sheet.data[start..start + 3 * wide as usize].as_chunks_mut().0.fill(colour);
    }
}

/// Puts a picture, which must find room, with its left upper corner here.
pub fn paste(sheet: &mut Rgb, picture: &Rgb, [left, top]: [u32; 2]) {
    for (y, line) in (top..).zip(picture.data.chunks_exact(3 * picture.width as usize)) {
        let start = 3 * (y * sheet.width + left) as usize;
        sheet.data[start..start + line.len()].copy_from_slice(line);
    }
}

/// Writes texts; what does not find room is cut off.
pub fn write(sheet: &mut Rgb, texts: &[Text]) {
    tame_opencv().expect("OpenCV can run on one thread");
    let (rows, columns) = (sheet.height as i32, sheet.width as i32);
    let pixels = Mat::new_rows_cols_with_bytes_mut::<Vec3b>(rows, columns, &mut sheet.data);
    let mut pixels = pixels.expect("three bytes a pixel");
    for Text { text, x, y, look } in texts {
        let at = Point::new(*x as i32, *y as i32);
        let [red, green, blue] = look.colour.map(f64::from);
        let (colour, thick) = (Scalar::new(red, green, blue, 0.0), 1 + i32::from(look.bold));
        put_text(&mut pixels, text, at, FONT_HERSHEY_SIMPLEX, look.scale, colour, thick, LINE_AA, false)
            .expect("text can be drawn on any picture");
    }
}

/// Pixels that a text takes.
pub fn width(text: &str, look: Look) -> u32 {
    let mut below = 0;
    let size = get_text_size(text, FONT_HERSHEY_SIMPLEX, look.scale, 1 + i32::from(look.bold), &mut below);
    size.map_or(0, |size| size.width.max(0) as u32)
}

/// A text in lines of at most so many pixels, broken between words.
pub fn wrapped(text: &str, look: Look, most: u32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), look) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_lose_none() {
        let look = Look { scale: 0.5, bold: false, colour: BLACK };
        let text = "what adds to the margin and what takes from it";
        let lines = wrapped(text, look, 120);
        assert!(lines.len() > 2 && lines.iter().all(|line| width(line, look) <= 120));
        assert_eq!(lines.join(" "), text);
    }
}
