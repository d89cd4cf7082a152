//! An image on its way to a vector: its bytes, the picture that every arm sees, and the same in grey.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};

use crate::budget::{self, Taken};
use crate::dataset::ImageFile;
use crate::image::{Canvas, Grey, Rgb, canvas, decode_grey, decode_rgb, resize};
use crate::stage::stopwatch::{Stage, Stopwatch};

/// An image file's bytes, read once, and what is known of it.
pub struct Encoded<'a> {
    pub image: &'a ImageFile,
    pub bytes: Vec<u8>,
    /// Pixels that were decoded ahead, where decoding is not to be timed, or for several methods that share them.
    rgb: OnceLock<Rgb>,
    grey: OnceLock<Grey>,
    on_canvas: OnceLock<Rgb>,
    /// Is what somebody decodes kept for others?
    shared: AtomicBool,
}

/// A picture as a method wants it.
#[derive(Debug, Clone)]
pub enum Picture<'a> {
    Grey(Cow<'a, Grey>),
    Colour(Cow<'a, Rgb>),
}

impl<'a> Encoded<'a> {
    /// An image with its bytes.
    pub fn new(image: &'a ImageFile, bytes: Vec<u8>) -> Encoded<'a> {
        let (rgb, grey, on_canvas) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Encoded { image, bytes, rgb, grey, on_canvas, shared: AtomicBool::new(false) }
    }

    /// From here on, pixels that anybody asks for are decoded once.
    pub(super) fn share(&self) {
        self.shared.store(true, Ordering::Relaxed);
    }

    /// What `lock` holds, or what `make` gives, which is kept where pixels are shared.
    fn once<'b, T: Clone>(&self, lock: &'b OnceLock<T>, make: impl FnOnce() -> Result<T>) -> Result<Cow<'b, T>> {
        if let Some(known) = lock.get() {
            return Ok(Cow::Borrowed(known));
        }
        let made = make()?;
        Ok(if self.shared.load(Ordering::Relaxed) {
            Cow::Borrowed(lock.get_or_init(|| made))
        } else {
            Cow::Owned(made)
        })
    }

    fn rgb(&self) -> Result<Cow<'_, Rgb>> {
        self.once(&self.rgb, || decode_rgb(&self.bytes).with_context(|| self.image.place()))
    }

    fn grey(&self) -> Result<Cow<'_, Grey>> {
        self.once(&self.grey, || decode_grey(&self.bytes).with_context(|| self.image.place()))
    }

    /// Decodes the colours of [`picture`] now.
    pub(super) fn decode_rgb_ahead(&mut self) -> Result<bool> {
        let rgb = self.rgb()?.into_owned();
        self.rgb.get_or_init(|| rgb);
        Ok(true)
    }

    /// Decodes what [`grey`] works on now.
    pub(super) fn decode_grey_ahead(&mut self, canvas: Option<Canvas>) -> Result<bool> {
        if canvas.is_some() {
            return self.decode_rgb_ahead();
        }
        let grey = self.grey()?.into_owned();
        self.grey.get_or_init(|| grey);
        Ok(true)
    }
}

impl Picture<'_> {
    /// With its longer side brought down to `longer` pixels; as it is where that is `None`, or where it is no longer.
    pub fn capped(&self, longer: Option<u32>) -> Picture<'_> {
        let (width, height) = self.size();
        match (self, longer.and_then(|longer| resize::capped(width, height, longer))) {
            (Picture::Grey(grey), None) => Picture::Grey(Cow::Borrowed(grey)),
            (Picture::Colour(rgb), None) => Picture::Colour(Cow::Borrowed(rgb)),
            (Picture::Grey(grey), Some((width, height))) => {
                Picture::Grey(Cow::Owned(resize::resize_grey(grey, width, height)))
            }
            (Picture::Colour(rgb), Some((width, height))) => {
                Picture::Colour(Cow::Owned(resize::resize(rgb, width, height)))
            }
        }
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        match self {
            Picture::Grey(grey) => (grey.width, grey.height),
            Picture::Colour(rgb) => (rgb.width, rgb.height),
        }
    }

    /// In grey: of a colour picture its luma.
    pub fn grey(&self) -> Cow<'_, Grey> {
        match self {
            Picture::Grey(grey) => Cow::Borrowed(grey),
            Picture::Colour(rgb) => Cow::Owned(canvas::grey(rgb)),
        }
    }

    /// In colour: of a grey picture three equal channels.
    pub fn colour(&self) -> Cow<'_, Rgb> {
        match self {
            Picture::Colour(rgb) => Cow::Borrowed(rgb),
            Picture::Grey(grey) => {
                let data = grey.data.iter().flat_map(|&value| [value; 3]).collect();
                Cow::Owned(Rgb { width: grey.width, height: grey.height, data })
            }
        }
    }
}

impl<'a> From<&'a Grey> for Picture<'a> {
    fn from(grey: &'a Grey) -> Self {
        Picture::Grey(Cow::Borrowed(grey))
    }
}

impl<'a> From<&'a Rgb> for Picture<'a> {
    fn from(rgb: &'a Rgb) -> Self {
        Picture::Colour(Cow::Borrowed(rgb))
    }
}

/// What is wrong with a cap on the longer side that a method sees, if anything is.
///
/// # Errors
/// A sentence that names the setting.
pub(super) fn check_longer(longer: Option<u32>) -> Result<(), String> {
    match longer {
        Some(longer) if longer < 16 => Err(format!("longer = {longer} must be at least 16 pixels")),
        _ => Ok(()),
    }
}

/// Memory for work on a picture of this size that needs so many bytes for each pixel; waits while others have it.
///
/// # Errors
/// More than there will ever be: the image is named.
pub(super) fn room(encoded: &Encoded, (width, height): (u32, u32), bytes_a_pixel: f64) -> Result<Taken<'static>> {
    let bytes = f64::from(width) * f64::from(height) * bytes_a_pixel;
    budget::of_process().take(bytes as u64).with_context(|| {
        format!(
            "{}: describing its {width} x {height} pixels takes more memory than there is; allow more with --memory, \
             measure on a --canvas, or make it smaller",
            encoded.image.place()
        )
    })
}

/// Reads the files of a few images.
pub fn read<'a>(images: &'a [Arc<ImageFile>]) -> Result<Vec<Encoded<'a>>> {
    let read = |image: &'a Arc<ImageFile>| Ok(Encoded::new(image, image.read()?));
    images.iter().map(read).collect()
}

/// The picture that every arm sees: decoded, and on the canvas where one is asked for.
pub(super) fn picture<'a>(encoded: &'a Encoded, canvas: Option<Canvas>, watch: &mut Stopwatch) -> Result<Cow<'a, Rgb>> {
    let picture = encoded.rgb()?;
    watch.lap(Stage::Decode);
    let Some(canvas) = canvas else { return Ok(picture) };
    let picture = encoded.once(&encoded.on_canvas, || Ok(canvas.apply(&picture)))?;
    watch.lap(Stage::Resize);
    Ok(picture)
}

/// A JPEG's own luminance natively; on a canvas, grey made from the canvas that every other arm sees.
pub(super) fn grey<'a>(encoded: &'a Encoded, canvas: Option<Canvas>, watch: &mut Stopwatch) -> Result<Cow<'a, Grey>> {
    let (grey, stage) = match canvas {
        None => (encoded.grey()?, Stage::Decode),
        Some(_) => (Cow::Owned(canvas::grey(&*picture(encoded, canvas, watch)?)), Stage::Resize),
    };
    watch.lap(stage);
    Ok(grey)
}

/// What a method sees that looks at colours, or that does not.
pub(super) fn seen<'a>(
    encoded: &'a Encoded,
    in_colour: bool,
    canvas: Option<Canvas>,
    watch: &mut Stopwatch,
) -> Result<Picture<'a>> {
    Ok(if in_colour {
        Picture::Colour(picture(encoded, canvas, watch)?)
    } else {
        Picture::Grey(grey(encoded, canvas, watch)?)
    })
}
