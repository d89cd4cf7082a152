//! Backbones: pretrained networks by name. One (`resnet18-cntk`) is part of the program; the others are files: published
//! weights, the user's own under torchvision's tensor names, or ONNX, with `NAME.toml` beside it where need be.

mod error;
mod file;
mod registry;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::library;
use super::network::naming::Found;
use super::network::{FEATURES, Family, INPUT, LOGITS};
use super::onnx::halves::stored_in_half;
use super::onnx::ports::{Adapted, Ports};
use super::onnx::{ModelProto, OnnxError};
use super::precision::{Precision, VERSION};
use super::settings::{SIDES, Settings, Sources};
use super::weights::{ENDINGS, Format, WeightsError, name_of};
use crate::image::preparation::Preparation;
use crate::image::tensor::{IMAGENET, LEVELS, Normalisation};
use crate::names;
pub use error::BackboneError;
pub use registry::{Entry, Package, Published, REGISTRY, Source};

/// Name of the backbone that is part of the program.
pub const EMBEDDED: &str = "resnet18-cntk";
const EMBEDDED_WEIGHTS: &[u8] = include_bytes!("../../models/resnet18-cntk.safetensors");

/// What states how pictures are prepared where nothing else does.
const REGISTERED: &str = "the registry";

/// A pretrained network that is on this machine and has been checked.
#[derive(Debug)]
pub struct Backbone {
    pub name: String,
    /// Length of the feature vector.
    pub dimension: usize,
    /// How pictures are prepared for it.
    pub preparation: Preparation,
    /// Side of the input in pixels that its file states or fixes.
    pub input: Option<u32>,
    /// What its features depend on, besides the side of the input: SHA-256 of the file, lower-case hex, and the
    /// settings beside it.
    pub identity: String,
    /// How the graph is fed and read.
    pub ports: Ports,
    /// Which of the network's values the features are, in words, and what of the file is not used.
    pub taken: Option<String>,
    /// The form that its model still is to be brought to.
    pub precision: Precision,
    /// What its input takes, where that is something else than every network is fed.
    adapted: Adapted,
    /// Where its input and its preparation are stated.
    sources: Sources,
    input_multiple: usize,
    path: PathBuf,
    content: Content,
}

/// What a file turned out to be.
struct Opened {
    content: Content,
    dimension: usize,
    ports: Ports,
    settings: Settings,
    /// What of the network is used, and what lies beside the file, as the identity holds it.
    cut: String,
    taken: Option<String>,
    adapted: Adapted,
}

#[derive(Debug)]
enum Content {
    Weights { found: Found, format: Format, bytes: Cow<'static, [u8]> },
    Onnx(Vec<u8>),
}

/// The folders to look for models in: those given, then those of `FEATBENCH_MODELS`, a list like `PATH`, then the one
/// that `featbench fetch` puts them into.
pub fn model_folders(given: &[PathBuf]) -> Vec<PathBuf> {
    let stated = std::env::var_os("FEATBENCH_MODELS").unwrap_or_default();
    let stated = std::env::split_paths(&stated).filter(|folder| !folder.as_os_str().is_empty());
    given.iter().cloned().chain(stated).chain(data_folder()).collect()
}

/// `featbench/models` in the user's data folder; `None` where there is no home.
pub fn data_folder() -> Option<PathBuf> {
    library::data_folder().map(|data| data.join("models"))
}

/// Every name that [`Backbone::open`] knows or finds a file for, sorted.
pub fn names(folders: &[PathBuf]) -> Vec<String> {
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let published = |path: &Path| {
        let files = REGISTRY.values().filter_map(Entry::published);
        files.into_iter().any(|published| path.file_name() == Some(published.file.as_ref()))
    };
    let files = entries.map(|entry| entry.path()).filter(|path| path.is_file() && !published(path));
    let found = files.filter_map(|path| name_of(&path).map(str::to_owned));
    REGISTRY.keys().cloned().chain(found).collect::<BTreeSet<_>>().into_iter().collect()
}

impl Backbone {
    /// Finds a backbone in the program or in `folders` (the first that has `NAME.safetensors`, `NAME.onnx`, the published
    /// file, or `NAME` with another of [`ENDINGS`]) and checks it: hash, every tensor's name and shape, or an ONNX file's
    /// input and output, and the settings beside it. `NAME@STAGE` is the network cut after a stage, whose average is the
    /// features; `NAME:int8` and `NAME:f16` are cheaper forms of it.
    /// What those don't state of how pictures are prepared, the files of other libraries beside it do, else the registry;
    /// what nothing states is as for most of torchvision's networks, with ImageNet's normalisation.
    ///
    /// # Errors
    /// The message names the file and what was expected, or says how to get the backbone.
    pub fn open(name: &str, folders: &[PathBuf]) -> Result<Backbone, BackboneError> {
        let (bare, precision) = Precision::split(name);
        let mut backbone = Backbone::open_in_f32(bare, folders)?;
        if precision != Precision::F32 {
            (backbone.name, backbone.precision) = (name.to_owned(), precision);
            backbone.identity = format!("{} {} {VERSION}", backbone.identity, precision.name());
        }
        Ok(backbone)
    }

    fn open_in_f32(name: &str, folders: &[PathBuf]) -> Result<Backbone, BackboneError> {
        let file = name.split_once('@').map_or(name, |(file, _)| file);
        if file == EMBEDDED {
            let path = Path::new("(embedded).safetensors");
            return Backbone::checked(name, path, Cow::Borrowed(EMBEDDED_WEIGHTS), None);
        }
        let published = REGISTRY.get(file).and_then(Entry::published).map(|published| published.file.to_owned());
        let endings = ["safetensors", "onnx"].map(|ending| format!("{file}.{ending}"));
        let named: Vec<String> = endings
            .into_iter()
            .chain(published)
            .chain(ENDINGS[1..].iter().map(|ending| format!("{file}.{ending}")))
            .collect();
        let mut candidates = folders.iter().flat_map(|folder| named.iter().map(|file| folder.join(file)));
        let Some(path) = candidates.find(|path| path.is_file()) else { return Err(not_here(file, folders)) };
        let bytes = file::read(&path).map_err(|reason| BackboneError::Read { path: path.clone(), reason })?;
        let beside = path.with_file_name(format!("{file}.toml"));
        let settings = Settings::beside(&beside).map_err(|reason| BackboneError::Settings { path: beside, reason })?;
        Backbone::checked(name, &path, Cow::Owned(bytes), settings)
    }

    /// A network of a file of one's own, which says itself what it is.
    ///
    /// # Errors
    /// As for [`open`](Backbone::open).
    pub fn of_file(path: &Path) -> Result<Backbone, BackboneError> {
        let bytes = file::read(path).map_err(|reason| BackboneError::Read { path: path.to_owned(), reason })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Backbone::checked(&name.replace('@', " "), path, Cow::Owned(bytes), None)
    }

    fn checked(
        name: &str,
        path: &Path,
        bytes: Cow<'static, [u8]>,
        settings: Option<Settings>,
    ) -> Result<Backbone, BackboneError> {
        let (file, stage) = name.split_once('@').map_or((name, None), |(file, stage)| (file, Some(stage)));
        let entry = REGISTRY.get(file);
        let sha256 = verified_hash(entry, path, &bytes)?;
        let beside = settings.is_some();
        let mut opened = if let Some(format) = Format::of(path) {
            let mut found = network_of(entry, format, &bytes)
                .map_err(|reason| BackboneError::Weights { path: path.to_owned(), reason })?;
            if let Some(stage) = stage {
                found.family = cut(name, &found.family, stage)?;
            }
            let (dimension, settings) = (found.family.network(0).dimension, settings.unwrap_or_default());
            let said = Some(found.said()).filter(|said| entry.is_none() || !said.is_empty());
            let taken = said.map(|said| found.family.taken().to_owned() + &said);
            if let Some(output) = &settings.output {
                let reason = format!("output = \"{output}\" is for ONNX files; weights have `{FEATURES}` only");
                return Err(BackboneError::Settings { path: path.with_file_name(format!("{file}.toml")), reason });
            }
            let cut = stage.map_or_else(String::new, |stage| format!(" @{stage}"));
            let ports = Ports::free(INPUT, FEATURES);
            Opened {
                content: Content::Weights { found, format, bytes },
                dimension,
                ports,
                settings,
                cut,
                taken,
                adapted: Adapted::default(),
            }
        } else if let Some(stage) = stage {
            let reason = format!("an ONNX file can't be cut after `{stage}`; state `output` in {file}.toml beside it");
            return Err(BackboneError::Onnx { path: path.to_owned(), reason });
        } else {
            file::opened(path, bytes.into_owned(), settings)?
        };
        let registered = entry.map(|entry| Normalisation { mean: entry.mean, deviation: entry.deviation });
        let fixed = opened.ports.side.and_then(|side| side.try_into().ok());
        let mut settings = std::mem::take(&mut opened.settings);
        // what was exported here says all, and a published file is known
        let described = !beside && settings.sources != Sources::default();
        if !described && entry.is_none_or(|entry| entry.expected_hash(path).is_none()) {
            let reason = settings.or_of_library(path, fixed);
            settings = reason.map_err(|reason| BackboneError::Settings { path: path.to_owned(), reason })?;
        }
        let input = settings.input.or(fixed);
        // bytes are levels from 0 to 255
        let usual = if opened.adapted.takes_bytes() { LEVELS } else { IMAGENET };
        let registered_as = registered.map(|_| REGISTERED.to_owned());
        let backbone = Backbone {
            name: name.to_owned(),
            dimension: opened.dimension,
            preparation: settings.preparation(registered.unwrap_or(usual), input),
            input,
            identity: sha256 + &settings.identity() + &opened.cut,
            ports: opened.ports,
            taken: opened.taken,
            precision: Precision::F32,
            adapted: opened.adapted,
            sources: Sources {
                input: fixed.map(|_| "its file".to_owned()).or(settings.sources.input),
                resizing: settings.sources.resizing.or(registered_as.clone()),
                normalisation: settings.sources.normalisation.or(registered_as),
            },
            input_multiple: entry.map_or(1, |entry| entry.input_multiple),
            path: path.to_owned(),
            content: opened.content,
        };
        settings.input.map_or(Ok(()), |side| backbone.check_side(side as usize))?;
        Ok(backbone)
    }

    /// The network as the bytes of an ONNX file for inputs of `side` x `side` pixels, weights included: as large as the
    /// weights, in its precision. Its sides are free unless its layers depend on them.
    pub fn model(&self, side: usize) -> Result<Cow<'_, [u8]>, BackboneError> {
        match self.precision {
            Precision::F32 => self.plain_model(side),
            Precision::F16 => {
                let read = ModelProto::read(&self.plain_model(side)?);
                let failed = |e: OnnxError| BackboneError::Onnx { path: self.path.clone(), reason: e.to_string() };
                Ok(Cow::Owned(stored_in_half(read.map_err(failed)?).write()))
            }
            Precision::Int8 => Err(BackboneError::Precision {
                name: self.name.clone(),
                precision: Precision::Int8.name(),
                reason:
                    "how large its values become is seen on training images: it is used by an arm, and exported as one"
                        .into(),
            }),
        }
    }

    /// The same in the precision of its file.
    pub fn plain_model(&self, side: usize) -> Result<Cow<'_, [u8]>, BackboneError> {
        match &self.content {
            Content::Onnx(bytes) => Ok(Cow::Borrowed(bytes)),
            Content::Weights { found, format, bytes } => {
                let network = found.family.network(side);
                let names = network.parameters.iter().filter_map(|(name, _)| found.names.get(name));
                let weights = format.open(bytes).and_then(|checkpoint| checkpoint.read(names.map(String::as_str)));
                let model = weights.and_then(|weights| network.with(found.renamed(weights)));
                let model = model.map_err(|reason| BackboneError::Weights { path: self.path.clone(), reason })?;
                Ok(Cow::Owned(model.write()))
            }
        }
    }

    /// What may follow `@` in its name: the stages that it can be cut after.
    pub fn stages(&self) -> Vec<String> {
        match &self.content {
            Content::Weights { found, .. } => found.family.stages(),
            Content::Onnx(_) => Vec::new(),
        }
    }

    /// The same backbone after a training: a model with its input and its output of features, and [`LOGITS`] for its head.
    /// `identity` tells the training.
    pub fn trained(&self, model: Vec<u8>, identity: String) -> Backbone {
        self.with_model(model, identity, Some(LOGITS.into()))
    }

    /// The same backbone with another model of the same input and features; `logits` are its classifier's.
    pub fn with_model(&self, model: Vec<u8>, identity: String, logits: Option<String>) -> Backbone {
        Backbone {
            name: self.name.clone(),
            ports: Ports { logits, ..self.ports.clone() },
            precision: Precision::F32,
            taken: self.taken.clone(),
            sources: self.sources.clone(),
            path: self.path.clone(),
            content: Content::Onnx(model),
            identity,
            ..*self
        }
    }

    /// Is everything of it as the registry says?
    pub fn is_as_registered(&self) -> bool {
        let file = Precision::split(&self.name).0.split('@').next().unwrap_or_default();
        let Sources { input, resizing, normalisation } = &self.sources;
        let registered = [resizing, normalisation].iter().all(|source| source.as_deref() == Some(REGISTERED));
        self.taken.is_none() && input.is_none() && registered && REGISTRY.contains_key(file)
    }

    /// What is taken for features, and how pictures are prepared for an input of `side` pixels, each with where that is
    /// stated.
    pub fn described(&self, side: u32) -> String {
        let taken = self.taken.as_deref().unwrap_or("average before its classifier");
        let stated = |source: &Option<String>| match source {
            Some(source) => format!("stated by {source}"),
            None => "assumed: nothing states it".to_owned(),
        };
        let input = match &self.sources.input {
            Some(source) if self.input == Some(side) => format!(" (stated by {source})"),
            _ => String::new(),
        };
        format!(
            "{} features, {taken}; input {side} px{}{input}, {} ({}), {} ({})",
            self.dimension,
            self.adapted.words(),
            self.preparation.resizing(side),
            stated(&self.sources.resizing),
            self.preparation.normalising(),
            stated(&self.sources.normalisation)
        )
    }

    /// May an input have this side, in pixels?
    pub fn check_side(&self, side: usize) -> Result<(), BackboneError> {
        let within = u32::try_from(side).is_ok_and(|side| SIDES.contains(&side));
        let expected = match self.ports.side {
            Some(fixed) if fixed != side => format!("{fixed} px, which its file fixes"),
            _ if !within => format!("from {} to {} px", SIDES.start(), SIDES.end()),
            None if !side.is_multiple_of(self.input_multiple) => {
                format!("a multiple of {} px", self.input_multiple)
            }
            _ => return Ok(()),
        };
        Err(BackboneError::Side { name: self.name.clone(), side, expected })
    }
}

/// SHA-256 of the bytes, compared with the registry's where it states one for this file.
fn verified_hash(entry: Option<&Entry>, path: &Path, bytes: &[u8]) -> Result<String, BackboneError> {
    let found = format!("{:x}", Sha256::digest(bytes));
    match entry.and_then(|entry| entry.expected_hash(path)) {
        Some(expected) if !found.starts_with(expected) => {
            Err(BackboneError::Hash { path: path.to_owned(), found, expected: expected.to_owned() })
        }
        _ => Ok(found),
    }
}

/// The network that these weights are, once every tensor has been checked against what it needs: the registry's, or for
/// another name the one that is read off the tensors' names. Only the classification layer may be absent.
fn network_of(entry: Option<&Entry>, format: Format, bytes: &[u8]) -> Result<Found, WeightsError> {
    let found = Found::within(&format.open(bytes)?.shapes())?;
    match entry.map(|entry| entry.network.clone().with_classes(found.family.classes())) {
        Some(expected) => found.as_registered(expected),
        None => Ok(found),
    }
}

fn cut(name: &str, network: &Family, stage: &str) -> Result<Family, BackboneError> {
    network.cut_after(stage).ok_or_else(|| {
        let stages = network.stages();
        let suggestion = names::suggestion(stage, stages.iter().map(String::as_str));
        BackboneError::Stage { name: name.into(), stage: stage.into(), suggestion, stages: stages.join(", ") }
    })
}

fn not_here(name: &str, folders: &[PathBuf]) -> BackboneError {
    let listed = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
    let folders = if listed.is_empty() { "a folder of --model-dir or FEATBENCH_MODELS".into() } else { listed };
    let name = name.to_owned();
    match REGISTRY.get(&name).and_then(Entry::published) {
        Some(published) => BackboneError::NotHere { name, file: published.file.into(), folders },
        None => {
            let known = REGISTRY.keys().cloned().collect::<Vec<_>>().join(", ");
            let suggestion = names::suggestion(&name, REGISTRY.keys().map(String::as_str));
            BackboneError::Unknown { name, suggestion, known, folders }
        }
    }
}

#[cfg(test)]
mod tests;
