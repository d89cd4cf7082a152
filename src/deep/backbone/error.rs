//! Why a backbone can't be used: what was found, what was expected, and what to do.

use std::path::PathBuf;

use crate::deep::session::SessionError;
use crate::deep::weights::WeightsError;

/// Why a backbone can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BackboneError {
    #[error(
        "no backbone is called `{name}`{suggestion}: featbench knows {known}, and there is no {name}.safetensors, \
         {name}.pth or {name}.onnx in {folders}; correct --backbone, or put the file there"
    )]
    Unknown { name: String, suggestion: String, known: String, folders: String },
    #[error(
        "the backbone `{name}` is not on this machine (looked in {folders}): get it with `featbench fetch {name}`; or put \
         {file}, {name}.safetensors or {name}.onnx into a folder that --model-dir or FEATBENCH_MODELS names"
    )]
    NotHere { name: String, file: String, folders: String },
    #[error("backbone `{name}`: it has no stage `{stage}`{suggestion}; it can be cut after {stages}")]
    Stage { name: String, stage: String, suggestion: String, stages: String },
    #[error("{}: {reason}", path.display())]
    Read { path: PathBuf, reason: String },
    #[error(
        "{}: its SHA-256 is {found}, expected {expected} at the beginning; the file is damaged or another one, move it \
         away and get it again", path.display()
    )]
    Hash { path: PathBuf, found: String, expected: String },
    #[error("{}: {reason}", path.display())]
    Weights { path: PathBuf, reason: WeightsError },
    #[error("{}: {reason}", path.display())]
    Onnx { path: PathBuf, reason: String },
    #[error("{}: {reason}", path.display())]
    Settings { path: PathBuf, reason: String },
    #[error("backbone `{name}` in {precision}: {reason}; without --precision it is used in f32")]
    Precision { name: String, precision: &'static str, reason: String },
    #[error(
        "backbone `{name}`: its features are no average over a map of the picture, so that nothing of them has a place; a \
         ResNet's are: name one by --backbone"
    )]
    NoMap { name: String },
    #[error("backbone `{name}`: an input of {side} px does not fit; its side must be {expected}")]
    Side { name: String, side: usize, expected: String },
    #[error("backbone `{name}`: {reason}")]
    Session { name: String, reason: SessionError },
    #[error("backbone `{name}`: {found} numbers came out for {images} images; {expected} an image are expected")]
    Output { name: String, found: usize, images: usize, expected: usize },
    #[error(
        "backbone `{name}`: its features of the image are no finite numbers (NaN or infinite): its weights are damaged, it \
         overflows 16-bit floats (export it in 32-bit float), or its images are to be normalised otherwise (mean, std and scale \
         in {name}.toml)"
    )]
    NotFinite {
        name: String,
        /// The first such image, counted from 0 among those that were shown together.
        image: usize,
    },
}
