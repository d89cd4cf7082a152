//! What an exported network says of itself, in its file's metadata: labels, preprocessing, and where it comes from.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ExportedError;
use crate::deep::onnx::{ModelProto, StringStringEntryProto};
use crate::deep::settings;
use crate::image::Rgb;
use crate::image::canvas::Canvas;
use crate::image::preparation::{Channels, Preparation, Resize};
use crate::image::resize::{Centre, Interpolation};
use crate::image::tensor::Normalisation;

/// Everything that the metadata holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    pub preprocessing: Preprocessing,
    /// Names of the classes in the order of the logits; empty where they are not known.
    pub labels: Vec<String>,
    pub scores: Scores,
    /// softmax(logits / temperature) are probabilities; `None` where that was not fitted, as in older files.
    pub temperature: Option<f64>,
    /// Where the network comes from, in words.
    pub origin: String,
}

/// What the logits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scores {
    /// Their softmax is the probability of each class.
    Logits,
    /// Margins of one support vector machine a class, which are no logarithms of anything.
    Margins,
}

/// From a decoded picture to the network's input, N x 3 x crop x crop. The metadata holds it as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// First of all the picture is brought to this square canvas, where there is one.
    canvas: Option<Canvas>,
    /// Then its shorter side is brought to so many pixels, the longer one in proportion, truncated; where it is squashed,
    /// both are.
    pub resize_shorter_side: u32,
    #[serde(default, skip_serializing_if = "is_usual")]
    squash: bool,
    interpolation: Interpolation,
    /// Then a square of so many pixels is cut out of the centre.
    pub crop: u32,
    #[serde(default, skip_serializing_if = "is_usual")]
    centre: Centre,
    channels: Channels,
    /// Then values from 0 to 255 are divided by this, the mean is subtracted and the deviation divided by.
    divide_by: f32,
    mean: [f32; 3],
    std: [f32; 3],
}

const LEVELS: f32 = 255.0;

/// What is usual is not written, so that older programs read the file.
fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Preprocessing {
    /// What featbench does for a network with an input of `side` pixels.
    pub fn of(side: u32, preparation: &Preparation, canvas: Option<Canvas>) -> Preprocessing {
        let Preparation { squash, interpolation, centre, channels, normalisation, .. } = *preparation;
        Preprocessing {
            canvas,
            resize_shorter_side: preparation.resize.of(side),
            squash,
            interpolation,
            crop: side,
            centre,
            channels,
            divide_by: LEVELS,
            mean: normalisation.mean,
            std: normalisation.deviation,
        }
    }

    fn preparation(&self) -> Preparation {
        let Preprocessing { squash, interpolation, centre, channels, mean, std, .. } = *self;
        let resize = Resize::Pixels { resized: self.resize_shorter_side, input: self.crop };
        let normalisation = Normalisation { mean, deviation: std };
        Preparation { resize, squash, interpolation, centre, channels, normalisation }
    }

    /// The canvas that a picture is brought to first, where there is one.
    pub fn canvas(&self) -> Option<Canvas> {
        self.canvas
    }

    /// How many numbers the input of one image has.
    pub fn numbers(&self) -> usize {
        3 * self.crop as usize * self.crop as usize
    }

    /// Writes the input of one picture, 3 x crop x crop.
    ///
    /// # Panics
    /// When `out` has another length than [`numbers`](Preprocessing::numbers).
    pub fn prepare(&self, picture: &Rgb, out: &mut [f32]) {
        let framed = self.canvas.map(|canvas| canvas.apply(picture));
        self.preparation().feed(framed.as_ref().unwrap_or(picture), self.crop, out);
    }

    /// The same for a backbone of featbench, in the words of a TOML file beside it.
    fn settings(&self) -> String {
        let input = format!("input = {}\n", self.crop);
        let input = if settings::SIDES.contains(&self.crop) { input } else { String::new() };
        let usual = Preparation::usual(self.preparation().normalisation);
        let differs = Preparation { resize: usual.resize, ..self.preparation() } != usual;
        let resized = self.resize_shorter_side;
        let otherwise = if differs || resized != usual.resize.of(self.crop) {
            settings::resizing(resized, &self.preparation())
        } else {
            String::new()
        };
        format!("{input}{otherwise}mean = {:?}\nstd = {:?}\n", self.mean, self.std)
    }

    fn check(&self) -> Result<(), String> {
        let sides = [self.crop, self.resize_shorter_side].into_iter();
        let sides = sides.chain(self.canvas.into_iter().flat_map(|canvas| [canvas.side, canvas.reduce]));
        match sides.into_iter().find(|side| !(1..=4096).contains(side)) {
            _ if !settings::SIDES.contains(&self.crop) => {
                let (least, most) = (settings::SIDES.start(), settings::SIDES.end());
                Err(format!("a crop of {} pixels must be from {least} to {most}", self.crop))
            }
            Some(side) => Err(format!("a side of {side} pixels must be from 1 to 4096")),
            None if self.divide_by != LEVELS => Err(format!("divide_by = {} must be {LEVELS}", self.divide_by)),
            None => Ok(()),
        }
    }
}

const PREPROCESSING: &str = "preprocessing";
const LABELS: &str = "labels";
const SCORES: &str = "scores";
const TEMPERATURE: &str = "temperature";
const ORIGIN: &str = "origin";

impl Description {
    /// The description of a network that another file describes already: its classes and its canvas stay.
    pub(super) fn after(mut self, known: Description) -> Description {
        self.preprocessing.canvas = known.preprocessing.canvas;
        let origin = format!("{}, from {}", self.origin, known.origin);
        let Description { labels, scores, temperature, .. } = known;
        Description { labels, scores, temperature, origin, ..self }
    }

    /// Puts it into a model's metadata, in the place of what was there under the same keys.
    ///
    /// # Errors
    /// A mean or deviation that JSON can't say.
    pub fn write(&self, model: &mut ModelProto) -> Result<(), ExportedError> {
        let mut entries = vec![
            (PREPROCESSING, json(PREPROCESSING, &self.preprocessing)?),
            ("featbench", self.preprocessing.settings()),
            ("featbench_version", env!("CARGO_PKG_VERSION").to_owned()),
            (ORIGIN, self.origin.clone()),
            (SCORES, json(SCORES, &self.scores)?),
        ];
        if !self.labels.is_empty() {
            entries.push((LABELS, json(LABELS, &self.labels)?));
        }
        if let Some(temperature) = self.temperature {
            entries.push((TEMPERATURE, json(TEMPERATURE, &temperature)?));
        }
        let ours = |key: &str| key == TEMPERATURE || entries.iter().any(|(other, _)| *other == key);
        model.metadata_props.retain(|entry| !ours(&entry.key));
        let entry = |(key, value): (&str, String)| StringStringEntryProto { key: key.into(), value };
        model.metadata_props.extend(entries.into_iter().map(entry));
        Ok(())
    }

    /// What a model's metadata says; `None` where it does not say how images are prepared.
    ///
    /// # Errors
    /// Names the entry that can't be read.
    pub fn read(model: &ModelProto) -> Result<Option<Description>, ExportedError> {
        let entry = |key: &str| model.metadata_props.iter().find(|entry| entry.key == key).map(|entry| &*entry.value);
        let Some(preprocessing) = entry(PREPROCESSING) else { return Ok(None) };
        let preprocessing: Preprocessing = parse(PREPROCESSING, preprocessing)?;
        preprocessing.check().map_err(|reason| ExportedError::Description { key: PREPROCESSING, reason })?;
        let temperature: Option<f64> = entry(TEMPERATURE).map(|text| parse(TEMPERATURE, text)).transpose()?;
        if let Some(wrong) = temperature.filter(|number| !(number.is_finite() && *number > 0.0)) {
            let reason = format!("{wrong} is no number above 0");
            return Err(ExportedError::Description { key: TEMPERATURE, reason });
        }
        Ok(Some(Description {
            preprocessing,
            labels: entry(LABELS).map_or(Ok(Vec::new()), |text| parse(LABELS, text))?,
            scores: entry(SCORES).map_or(Ok(Scores::Logits), |text| parse(SCORES, text))?,
            temperature,
            origin: entry(ORIGIN).unwrap_or_default().to_owned(),
        }))
    }
}

fn json(key: &'static str, value: &impl Serialize) -> Result<String, ExportedError> {
    serde_json::to_string(value).map_err(|error| ExportedError::Description { key, reason: error.to_string() })
}

fn parse<T: DeserializeOwned>(key: &'static str, text: &str) -> Result<T, ExportedError> {
    serde_json::from_str(text).map_err(|error| ExportedError::Description { key, reason: error.to_string() })
}
