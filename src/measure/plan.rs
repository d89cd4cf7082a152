//! What is to be run: every arm on every canvas with every seed, each with the hash of all that its result depends on.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::dataset::{Dataset, Refit};
use crate::deep::backbone::{self, Backbone, EMBEDDED};
use crate::deep::session::{Device, Runtime};
use crate::features::{FoundBackbone, Version};
use crate::finetune::settings::Keep;
use crate::image::{self, Canvas, decode};
use crate::protocol::arm::Arm;

/// What the user asked for, checked.
#[derive(Debug, Clone)]
pub struct Request {
    pub arms: Vec<Arm>,
    /// Each is a row of its own of every arm with a network; empty where no arm has one.
    pub backbones: Vec<Asked>,
    /// Side of a network's input in pixels where nothing states it.
    pub input: u32,
    pub seeds: Vec<u64>,
    /// `None` is native.
    pub canvases: Vec<Option<u32>>,
    /// Overrides what the data set says.
    pub refit: Option<Refit>,
    pub threads: usize,
    pub device: Device,
    /// Are times taken and scores recorded? Not where many runs differ in their images alone.
    pub detailed: bool,
    /// `reduced`, `standard` or `full` where trainings are as long as that says, empty where they are as their arms say.
    pub form: String,
}

/// A backbone that was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub name: String,
    pub found: FoundBackbone,
    /// Side of its input in pixels, where the arm does not state one.
    pub input: u32,
}

/// One run to be.
#[derive(Debug, Clone)]
pub struct Planned {
    pub run_id: String,
    pub settings_hash: String,
    pub arm: Arm,
    pub canvas: Option<Canvas>,
    pub seed: u64,
    pub refit: Refit,
    /// What its network runs on; the CPU where it has none.
    pub device: Device,
    /// `None` where it has none.
    pub backbone: Option<Asked>,
}

impl Asked {
    /// Looks for it, also in these folders. Its input has `typed` pixels, else what it states, else `usual`.
    pub fn find(name: &str, folders: &[PathBuf], typed: Option<u32>, usual: u32) -> Asked {
        let opened = Backbone::open(name, &backbone::model_folders(folders));
        let stated = opened.as_ref().ok().and_then(|backbone| backbone.input);
        let found = opened.map(Arc::new).map_err(|error| error.to_string());
        Asked { name: name.to_owned(), found, input: typed.or(stated).unwrap_or(usual) }
    }

    /// Side of its input in pixels for this arm.
    fn input_of(&self, arm: &Arm) -> u32 {
        arm.training().and_then(|training| training.input).unwrap_or(self.input)
    }
}

impl Planned {
    /// Side of its network's input in pixels; `None` where it has none.
    pub fn input(&self) -> Option<u32> {
        self.backbone.as_ref().map(|backbone| backbone.input_of(&self.arm))
    }

    /// As in the columns `backbone` and `input_px`.
    pub fn network(&self) -> (String, Option<u32>) {
        (self.backbone.as_ref().map_or_else(String::new, |backbone| backbone.name.clone()), self.input())
    }

    /// For lines on the terminal.
    pub fn title(&self) -> String {
        let protocol = match self.arm.training().map(|training| training.keep) {
            None | Some(Keep::Last) => String::new(),
            Some(keep) => format!(", {} epoch", keep.protocol()),
        };
        let other = self.backbone.as_ref().filter(|backbone| backbone.name != EMBEDDED);
        let other = other.map_or_else(String::new, |backbone| format!(" ({})", backbone.name));
        format!("{}{other}, {}, seed {}{protocol}", self.arm.name, self.frame(), self.seed)
    }

    /// `native`, or `canvas N`.
    pub fn frame(&self) -> String {
        self.canvas.map_or("native".into(), |canvas| format!("canvas {}", canvas.side))
    }

    /// As in the column `canvas`: `native`, or N.
    pub fn canvas_name(&self) -> String {
        self.canvas.map_or("native".into(), |canvas| canvas.side.to_string())
    }
}

/// Everything that a result depends on, and nothing else; equal values have equal results.
#[derive(Clone, Serialize)]
struct Ingredients<'a> {
    manifest: &'a str,
    settings: &'a str,
    seed: u64,
    refit: String,
    /// Of the stages that the arm uses.
    stages: Vec<Version>,
    /// How its pictures are made; `None` where it looks at none.
    pixels: Option<Pixels>,
    /// `None` where it has none.
    network: Option<Network<'a>>,
}

#[derive(Clone, Serialize)]
struct Pixels {
    version: u32,
    opencv: String,
    canvas: Option<Canvas>,
}

#[derive(Clone, Serialize)]
struct Network<'a> {
    backbone: &'a str,
    /// Hash of its file and of how it is used; empty where it is not here.
    identity: &'a str,
    input: u32,
    /// What it runs on, and with whose kernels.
    device: String,
    runtime: String,
}

/// Runs of `request` on a data set, arm by arm, and of an arm with a network backbone by backbone. Arms that read no pixels
/// have no canvas runs.
pub fn plan(request: &Request, dataset: &Dataset) -> Result<Vec<Planned>> {
    let (manifest, refit) = (dataset.manifest.sha256(), request.refit.unwrap_or(dataset.refit));
    let mut planned = Vec::new();
    for (arm, backbone) in request.arms.iter().flat_map(|arm| with_networks(request, arm)) {
        for canvas in &request.canvases {
            if canvas.is_some() && !arm.needs().pixels {
                continue;
            }
            let canvas = canvas.map(|side| Canvas { side, reduce: dataset.reduce(side) });
            for &seed in &request.seeds {
                planned.push(plan_one(request, (&manifest, refit), backbone, arm, canvas, seed)?);
            }
        }
    }
    if planned.is_empty() {
        bail!("nothing to run: the chosen arms read no pixels and can't exist on a canvas");
    }
    Ok(planned)
}

/// An arm with each network that it is measured with, or with none.
fn with_networks<'r>(request: &'r Request, arm: &'r Arm) -> Vec<(&'r Arm, Option<&'r Asked>)> {
    if !arm.needs().network {
        return vec![(arm, None)];
    }
    request.backbones.iter().map(|backbone| (arm, Some(backbone))).collect()
}

fn plan_one(
    request: &Request,
    (manifest, refit): (&str, Refit),
    backbone: Option<&Asked>,
    arm: &Arm,
    canvas: Option<Canvas>,
    seed: u64,
) -> Result<Planned> {
    let (settings, needs) = (arm.settings()?, arm.needs());
    let network = backbone.map(|asked| Network {
        backbone: &asked.name,
        identity: asked.found.as_ref().map_or("", |found| found.identity.as_str()),
        input: asked.input_of(arm),
        device: request.device.identity(),
        runtime: Runtime::get().map(|runtime| runtime.version()).unwrap_or_default(),
    });
    // an epoch that val chose belongs to a network that did not learn from val
    let chosen_epoch = needs.training.is_some_and(|training| training.keep == Keep::Best);
    let refit = if chosen_epoch { Refit::Train } else { refit };
    let ingredients = Ingredients {
        manifest,
        settings: &settings,
        seed,
        refit: refit.to_string(),
        stages: arm.versions(),
        pixels: needs.pixels.then(|| Pixels { version: image::VERSION, opencv: decode::version(), canvas }),
        network,
    };
    Ok(Planned {
        run_id: ingredients.hash()?,
        settings_hash: short(settings.as_bytes()),
        arm: arm.clone(),
        canvas,
        seed,
        refit,
        device: if needs.network { request.device } else { Device::PLAIN },
        backbone: backbone.cloned(),
    })
}

impl Ingredients<'_> {
    fn hash(&self) -> Result<String> {
        Ok(short(&serde_json::to_vec(self)?))
    }
}

fn short(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ingredients(arm: &Arm) -> Ingredients<'_> {
        let pixels = Pixels { version: 1, opencv: "4".into(), canvas: None };
        let network = Network { backbone: "net", identity: "a", input: 224, device: "cpu".into(), runtime: "1".into() };
        Ingredients {
            manifest: "m",
            settings: "s",
            seed: 0,
            refit: "train".into(),
            stages: arm.versions(),
            pixels: arm.needs().pixels.then_some(pixels),
            network: arm.needs().network.then_some(network),
        }
    }

    #[test]
    fn every_stage_that_an_arm_uses_changes_its_runs_and_no_other_one() {
        for arm in Arm::embedded().unwrap() {
            let own = ingredients(&arm);
            let id = own.hash().unwrap();
            for place in 0..own.stages.len() {
                let mut raised = own.clone();
                raised.stages[place].1 += 1;
                assert_ne!(raised.hash().unwrap(), id, "{}: {}", arm.name, own.stages[place].0);
            }
            let raised = own.pixels.clone().map(|pixels| Pixels { version: pixels.version + 1, ..pixels });
            let looks = Ingredients { pixels: raised, ..own.clone() };
            assert_eq!(looks.hash().unwrap() != id, arm.needs().pixels, "{}", arm.name);
        }
        let names = |arm: &str| {
            let arm = Arm::select(&[arm.to_owned()]).unwrap().remove(0);
            arm.versions().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names("orb-bovw-svm"), ["orb", "k-majority", "k-means", "words", "classifier"]);
        assert_eq!(names("resnet-frozen-svm"), ["infer", "classifier"]);
        assert_eq!(names("resnet-scratch"), ["infer", "train", "classifier"]);
        assert_eq!(names("thumbnail-1nn"), ["thumbnail", "classifier"]);
    }
}
