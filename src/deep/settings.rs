//! What a network's file can't say for itself, as its owner states it: `NAME.toml` beside `NAME.onnx`, or the same text
//! in the ONNX file's metadata under the key `featbench`.

mod sidecar;

use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;
use toml::Table;

use super::onnx::ModelProto;
use crate::image::preparation::{Channels, Preparation, Resize};
use crate::image::resize::{Centre, Interpolation};
use crate::image::tensor::Normalisation;
use crate::names;

/// Sides in pixels that an input may be stated to have.
pub const SIDES: std::ops::RangeInclusive<u32> = 32..=1024;

/// Side of an input in pixels that most networks were trained with.
const USUAL_INPUT: u32 = 224;

/// Key of the metadata.
const METADATA: &str = "featbench";

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    input: Option<u32>,
    crop: Option<u32>,
    resize: Option<toml::Value>,
    squash: Option<bool>,
    interpolation: Option<Filter>,
    centre: Option<Centre>,
    channels: Option<Channels>,
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    scale: Option<f32>,
    layout: Option<Layout>,
    r#type: Option<Element>,
    output: Option<String>,
    pooling: Option<Pooling>,
}

const KEYS: [&str; 14] = [
    "centre",
    "channels",
    "crop",
    "input",
    "interpolation",
    "layout",
    "mean",
    "output",
    "pooling",
    "resize",
    "scale",
    "squash",
    "std",
    "type",
];

/// [`Interpolation`] under its short name.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Filter {
    Bilinear,
    Bicubic,
}

/// Where the channels of an input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Layout {
    Nchw,
    Nhwc,
}

/// What numbers an input takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    F32,
    F16,
    U8,
}

impl Element {
    /// As it is stated.
    pub fn name(self) -> &'static str {
        match self {
            Element::F32 => "f32",
            Element::F16 => "f16",
            Element::U8 => "u8",
        }
    }
}

/// What is made of a map or of tokens, so that an image has one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The average of all pixels or tokens, a class token among them.
    Mean,
    /// The first token.
    Cls,
    /// The generalised mean with an exponent of 3 (Radenović and others 2018).
    Gem,
}

/// A stated length to resize to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Length {
    /// Pixels, for an input of so many where that is stated beside it.
    Pixels(u32, Option<u32>),
    /// The input as a share of it.
    Share(f64),
}

/// What is stated, and checked; what is not, is left to the registry and to the network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// Side of the input in pixels.
    pub input: Option<u32>,
    pub normalisation: Option<Normalisation>,
    resize: Option<Length>,
    squash: Option<bool>,
    interpolation: Option<Interpolation>,
    centre: Option<Centre>,
    channels: Option<Channels>,
    pub layout: Option<Layout>,
    pub element: Option<Element>,
    /// Name of the value that holds the features.
    pub output: Option<String>,
    pub pooling: Option<Pooling>,
    /// Where input, resizing and normalisation are stated.
    pub sources: Sources,
}

/// The name of the file that states something, for messages.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sources {
    pub input: Option<String>,
    pub resizing: Option<String>,
    pub normalisation: Option<String>,
}

impl Settings {
    /// The settings beside a network's file; `None` where there are none.
    ///
    /// # Errors
    /// What can't be read or is wrong, without the file's name.
    pub fn beside(network: &Path) -> Result<Option<Settings>, String> {
        let path = network.with_extension("toml");
        match std::fs::read_to_string(&path) {
            Ok(text) => Settings::parse(&text).map(|settings| Some(settings.stated_in(&names_of(&path)))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("can't be read: {error}")),
        }
    }

    /// The settings in an ONNX file's metadata.
    ///
    /// # Errors
    /// As [`Settings::beside`].
    pub fn within(model: &ModelProto) -> Result<Option<Settings>, String> {
        let entry = model.metadata_props.iter().find(|entry| entry.key == METADATA);
        let parsed = entry.map(|entry| Settings::parse(&entry.value)).transpose();
        let settings = parsed.map_err(|reason| format!("its metadata `{METADATA}`: {reason}"))?;
        Ok(settings.map(|settings| settings.stated_in("its metadata")))
    }

    fn parse(text: &str) -> Result<Settings, String> {
        let told = |error: toml::de::Error| match error.span() {
            Some(span) => format!("line {}: {}", text[..span.start].matches('\n').count() + 1, error.message()),
            None => error.message().to_owned(),
        };
        let table: Table = toml::from_str(text).map_err(told)?;
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!("unknown key `{key}`{}; there are {}", names::suggestion(key, KEYS), KEYS.join(", ")));
        }
        let stated: Stated = toml::from_str(text).map_err(told)?;
        let input = stated.input()?;
        Ok(Settings {
            input,
            resize: stated.resize(input)?,
            normalisation: stated.normalisation()?,
            squash: stated.squash,
            interpolation: stated.interpolation.map(Interpolation::from),
            centre: stated.centre,
            channels: stated.channels,
            layout: stated.layout,
            element: stated.r#type,
            output: stated.output,
            pooling: stated.pooling,
            sources: Sources::default(),
        })
    }

    /// The same, with where it is stated.
    fn stated_in(mut self, source: &str) -> Settings {
        let named = |stated: bool| stated.then(|| source.to_owned());
        self.sources = Sources {
            input: named(self.input.is_some()),
            resizing: named(self.resizes()),
            normalisation: named(self.normalisation.is_some() || self.channels.is_some()),
        };
        self
    }

    fn resizes(&self) -> bool {
        self.resize.is_some() || self.squash.is_some() || self.interpolation.is_some() || self.centre.is_some()
    }

    /// What is not stated here, from `other`.
    fn or(self, other: Settings) -> Settings {
        let both = |here: Option<String>, there: Option<String>, same: bool| match (here, there) {
            (Some(here), Some(there)) if same && here != there => Some(format!("{here} and {there}")),
            (here, there) => here.or(there),
        };
        let more = (self.resize.is_none() && other.resize.is_some())
            || (self.interpolation.is_none() && other.interpolation.is_some());
        Settings {
            input: self.input.or(other.input),
            normalisation: self.normalisation.or(other.normalisation),
            resize: self.resize.or(other.resize),
            squash: self.squash.or(other.squash),
            interpolation: self.interpolation.or(other.interpolation),
            centre: self.centre.or(other.centre),
            channels: self.channels.or(other.channels),
            layout: self.layout.or(other.layout),
            element: self.element.or(other.element),
            output: self.output.or(other.output),
            pooling: self.pooling.or(other.pooling),
            sources: Sources {
                input: self.sources.input.or(other.sources.input),
                resizing: both(self.sources.resizing, other.sources.resizing, more),
                normalisation: self.sources.normalisation.or(other.sources.normalisation),
            },
        }
    }

    /// The same with what the files of other libraries beside the network say of what is not stated here. `side` is that of
    /// its input where the network fixes it.
    ///
    /// # Errors
    /// The file, and what of it is not done here.
    pub fn or_of_library(self, network: &Path, side: Option<u32>) -> Result<Settings, String> {
        match sidecar::beside(network, side) {
            Ok(found) => Ok(self.or(found)),
            // what it says differently is what the owner states instead
            Err(_) if self.resizes() && self.normalisation.is_some() => Ok(self),
            Err(reason) => Err(reason),
        }
    }

    /// How pictures are prepared for a network; `side` is its input's where it is known, and `usual` the normalisation
    /// where none is stated.
    pub fn preparation(&self, usual: Normalisation, side: Option<u32>) -> Preparation {
        let usual = Preparation::usual(self.normalisation.unwrap_or(usual));
        let squash = self.squash.unwrap_or(usual.squash);
        let resize = match self.resize {
            Some(Length::Pixels(resized, input)) => {
                Resize::Pixels { resized, input: input.or(side).unwrap_or(USUAL_INPUT) }
            }
            Some(Length::Share(share)) => Resize::Share(share),
            None if squash => Resize::Share(1.0),
            None => usual.resize,
        };
        Preparation {
            resize,
            squash,
            interpolation: self.interpolation.unwrap_or(usual.interpolation),
            centre: self.centre.unwrap_or(usual.centre),
            channels: self.channels.unwrap_or(usual.channels),
            normalisation: usual.normalisation,
        }
    }

    /// What the features depend on besides the network's file and the side of its input; empty where nothing is stated.
    pub fn identity(&self) -> String {
        let mut identity = match (&self.normalisation, &self.output) {
            (None, None) => String::new(),
            stated => format!(" {stated:?}"),
        };
        if self.resizes() || self.channels.is_some() {
            let resizing = (self.resize, self.squash, self.interpolation, self.centre, self.channels);
            let _ = write!(identity, " {resizing:?}");
        }
        if self.layout.is_some() || self.pooling.is_some() {
            let _ = write!(identity, " {:?}", (self.layout, self.pooling));
        }
        identity
    }
}

/// What a preparation does before it normalises, in the words of the file; `resized` is the length in pixels.
pub fn resizing(resized: u32, preparation: &Preparation) -> String {
    let interpolation = preparation.interpolation.name();
    let centre = if preparation.centre == Centre::Floor { "floor" } else { "round" };
    let channels = if preparation.channels == Channels::Bgr { "BGR" } else { "RGB" };
    format!(
        "resize = {resized}\nsquash = {}\ninterpolation = \"{interpolation}\"\ncentre = \"{centre}\"\n\
         channels = \"{channels}\"\n",
        preparation.squash
    )
}

/// A file's name for messages.
fn names_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl From<Filter> for Interpolation {
    fn from(filter: Filter) -> Interpolation {
        match filter {
            Filter::Bilinear => Interpolation::Bilinear,
            Filter::Bicubic => Interpolation::Bicubic,
        }
    }
}

impl Stated {
    /// `crop` is what other libraries call it.
    fn input(&self) -> Result<Option<u32>, String> {
        let (input, key) = match (self.input, self.crop) {
            (Some(input), Some(crop)) if input != crop => {
                return Err(format!("input = {input} and crop = {crop} are two words for one number"));
            }
            (None, crop) => (crop, "crop"),
            (input, _) => (input, "input"),
        };
        match input.filter(|input| !SIDES.contains(input)) {
            Some(wrong) => Err(format!("{key} = {wrong} must be from 32 to 1024 pixels")),
            None => Ok(input),
        }
    }

    fn resize(&self, input: Option<u32>) -> Result<Option<Length>, String> {
        let wrong = |value: &toml::Value| {
            format!(
                "resize = {value} must be pixels, from the side of the input to 4096, or the share of it that the input is, \
                 above 0 to 1.0"
            )
        };
        let length = match &self.resize {
            None => return Ok(None),
            Some(toml::Value::Integer(pixels)) => {
                let pixels = u32::try_from(*pixels).ok();
                let pixels = pixels.filter(|pixels| (input.unwrap_or(*SIDES.start())..=4096).contains(pixels));
                pixels.map(|pixels| Length::Pixels(pixels, input))
            }
            Some(toml::Value::Float(share)) => share_of(*share),
            Some(_) => None,
        };
        length.map(Some).ok_or_else(|| wrong(self.resize.as_ref().unwrap_or(&toml::Value::Integer(0))))
    }

    fn normalisation(&self) -> Result<Option<Normalisation>, String> {
        let scale = self.scale.unwrap_or(1.0);
        if scale != 1.0 && scale != 255.0 {
            return Err(format!("scale = {scale} must be 1 (pixels from 0 to 1) or 255 (from 0 to 255)"));
        }
        match (self.mean, self.std) {
            (Some(mean), Some(std)) => normalisation(mean, std, scale).map(Some),
            (None, None) if self.scale.is_none() => Ok(None),
            _ => Err("mean and std are needed together, and scale goes with them".into()),
        }
    }
}

/// A share that leaves a length which is not absurd.
fn share_of(share: f64) -> Option<Length> {
    (0.1..=1.0).contains(&share).then_some(Length::Share(share))
}

/// Of pixels from 0 to `scale`.
fn normalisation(mean: [f32; 3], std: [f32; 3], scale: f32) -> Result<Normalisation, String> {
    if let Some(wrong) = mean.iter().chain(&std).find(|value| !value.is_finite()) {
        return Err(format!("{wrong} in mean or std is not a number"));
    }
    if let Some(wrong) = std.iter().find(|&&value| value <= 0.0) {
        return Err(format!("{wrong} in std must be above 0"));
    }
    Ok(Normalisation { mean: mean.map(|v| v / scale), deviation: std.map(|v| v / scale) })
}

#[cfg(test)]
mod tests;
