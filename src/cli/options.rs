//! Options that `measure` and `report` share: [`Options`] as typed, [`Job`] as meant.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::budget;
use crate::dataset::{Dataset, DatasetError, Refit, procedural};
use crate::deep::backbone::EMBEDDED;
use crate::deep::cuda::CudaError;
use crate::deep::extract;
use crate::deep::kernels::Kernels;
use crate::deep::precision::Precision;
use crate::deep::session::{Device, SessionError};
use crate::measure::plan::{Asked, Request};
use crate::names::printable;
use crate::protocol::arm::Arm;
use crate::protocol::experiment::Form;

use super::reading::ReadingOptions;

/// What is measured where no data set is named and these photographs are here.
const PHOTOGRAPHS: &str = "mini-natural-images";

/// Arms that drawn images are measured with beside the default ones: what a network learns from them alone, and what
/// it learns where it knew photographs before.
const TRAINED_ON_DRAWN: [&str; 2] = ["resnet-finetuned-1cycle", "resnet-scratch"];

/// Side of the input in pixels of a training in the reduced form.
const REDUCED_INPUT: u32 = 64;

/// Side of a network's input in pixels where nothing states another.
pub(super) const INPUT: u32 = 224;

/// What to measure.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Data set: a name that `featbench list` shows, or a folder with SPLIT/CLASS/FILE or CLASS/FILE; repeatable
    /// [default: mini-natural-images where it is here, else procedural]
    #[arg(long, value_name = "NAME|FOLDER")]
    pub dataset: Vec<String>,
    /// Arms to run: names or TOML files [default: every arm that `featbench list` marks as default; on procedural also
    /// resnet-finetuned-1cycle and resnet-scratch]
    #[arg(long, value_delimiter = ',', value_name = "NAME,...|FILE.toml")]
    pub arms: Vec<String>,
    /// How long networks are trained: as their arms say (standard), or for a quarter of that on 64 pixels (reduced)
    /// [default: reduced on procedural, else standard]
    #[arg(long, value_name = "reduced|standard")]
    pub form: Option<Form>,
    #[command(flatten)]
    pub setup: Setup,
    /// Side of the network's input in pixels [default: what its file states, else 224; on procedural 128]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(32..=1024))]
    pub input: Option<u32>,
    /// Seeds, each a run of its own
    #[arg(long, value_delimiter = ',', default_value = "0", value_name = "N,...")]
    pub seeds: Vec<u64>,
    /// Frame of the images: as they are, or on a square canvas of N pixels; repeatable
    #[arg(long, default_value = "native", value_name = "native|N")]
    pub canvas: Vec<CanvasOption>,
    /// Images of the final fit [default: train, with val where val was drawn from train]
    #[arg(long, value_name = "train|train+val", value_parser = refit)]
    pub refit: Option<Refit>,
    #[command(flatten)]
    pub recording: Recording,
    /// Arms that are not named but given, as they are
    #[arg(skip)]
    pub given: Vec<Arm>,
}

/// What every command shares that fits arms: where data sets and networks are, and what runs them.
#[derive(Debug, Args)]
pub(super) struct Setup {
    /// Folder to look for the registered data sets in (also: the folders of FEATBENCH_DATA, a list like PATH)
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub reading: ReadingOptions,
    /// Network behind the deep arms; several are compared, each with a row of its own. NAME@STAGE is cut after that stage
    /// (`featbench list` names them)
    #[arg(long, default_value = EMBEDDED, value_delimiter = ',', value_name = "NAME,...")]
    pub backbone: Vec<String>,
    /// Numbers that frozen networks are computed in, each with a row of its own: f32, f16 (weights in 16 bits) or int8
    /// (convolutions in 8 bits, calibrated on training images)
    #[arg(long, value_delimiter = ',', value_name = "f32|f16|int8,...", default_value = "f32", hide_default_value = true,
          value_parser = precision)]
    pub precision: Vec<Precision>,
    /// Folder with networks, NAME.safetensors, .pth, .ckpt, .bin or .onnx (also: the folders of FEATBENCH_MODELS);
    /// repeatable. NAME.toml beside a network states how pictures are prepared for it and what its features are (README),
    /// else a config.json of timm, transformers or open_clip there
    #[arg(long, value_name = "FOLDER")]
    pub model_dir: Vec<PathBuf>,
    /// What networks run on; `auto` takes an NVIDIA GPU where CUDA works, else the CPU, and says so
    #[arg(long, value_name = "auto|cpu|cuda", default_value = "auto", hide_possible_values = true)]
    pub device: DeviceOption,
    /// Whose kernels compute networks on a CPU, `featbench` or `onnxruntime` [default: featbench where the processor has
    /// what they are made for]; results differ in the last digits, and each has records of its own
    #[arg(long, value_name = "WHOSE", hide_possible_values = true)]
    pub kernels: Option<KernelsOption>,
    /// Threads [default: all cores]; results do not depend on it
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Memory that the pictures of all threads may take together, as in 800M or 6G [default: three quarters of what is
    /// free]; results do not depend on it
    #[arg(long, value_name = "SIZE", value_parser = budget::parse_size)]
    pub memory: Option<u64>,
}

impl Setup {
    /// Every backbone that is named in every precision: a colon, and what is not f32.
    pub fn backbones(&self) -> Vec<String> {
        let named = |name: &String, precision: &Precision| match precision {
            Precision::F32 => name.clone(),
            other => format!("{name}:{}", other.name()),
        };
        self.backbone.iter().flat_map(|name| self.precision.iter().map(move |other| named(name, other))).collect()
    }

    /// The one backbone that is named.
    ///
    /// # Errors
    /// Several are.
    pub fn one_backbone(&self) -> Result<String> {
        match &self.backbones()[..] {
            [one] => Ok(one.clone()),
            several => {
                bail!("--backbone {}: several are for `measure`, `report` and `time`; name one", several.join(","))
            }
        }
    }

    /// Starts the threads of this process, once, with the memory that pictures may take; says how many there are.
    ///
    /// # Errors
    /// A system that starts none.
    pub fn start(&self) -> Result<usize> {
        static STARTED: OnceLock<usize> = OnceLock::new();
        if let Some(&threads) = STARTED.get() {
            return Ok(threads);
        }
        self.memory.into_iter().for_each(budget::set);
        let threads = self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, usize::from);
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("no threads can be started")?;
        Ok(*STARTED.get_or_init(|| threads))
    }
}

/// Where the records of runs go, and whether there are any to be.
#[derive(Debug, Args)]
pub(super) struct Recording {
    /// Folder for records and reports, one folder a data set or experiment below it
    #[arg(long, default_value = "featbench-report", value_name = "FOLDER")]
    pub out: PathBuf,
    /// Start over: ignore what is recorded of these images, and what is cached
    #[arg(long)]
    pub fresh: bool,
    /// Say what would run, how long it may take and what it may put on disk, and stop
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum DeviceOption {
    Auto,
    Cpu,
    Cuda,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum KernelsOption {
    Onnxruntime,
    Featbench,
}

impl From<KernelsOption> for Kernels {
    fn from(option: KernelsOption) -> Kernels {
        match option {
            KernelsOption::Onnxruntime => Kernels::OnnxRuntime,
            KernelsOption::Featbench => Kernels::Featbench,
        }
    }
}

impl DeviceOption {
    /// The device that will run, and where that is not a GPU that might have been, why.
    ///
    /// # Errors
    /// CUDA was asked for and does not work.
    pub fn resolve(
        self,
        kernels: Option<KernelsOption>,
        networks: bool,
    ) -> Result<(Device, Option<String>), SessionError> {
        let cpu = kernels.map_or_else(Device::cpu, |kernels| Device::Cpu(kernels.into()));
        match self {
            DeviceOption::Cuda => extract::probe(Device::Cuda).map(|_| (Device::Cuda, None)),
            DeviceOption::Auto if networks => Ok(match extract::probe(Device::Cuda) {
                Ok(_) => (Device::Cuda, None),
                // without the library no network runs at all, and each says so
                Err(SessionError::Library(_) | SessionError::Load { .. }) => (cpu, None),
                // nothing to remedy
                Err(SessionError::Cuda(reason @ CudaError::NoDriver)) => (cpu, Some(on_the_cpu(&reason))),
                Err(reason) => (cpu, Some(on_the_cpu(&reason))),
            }),
            _ => Ok((cpu, None)),
        }
    }
}

fn precision(text: &str) -> Result<Precision, String> {
    Precision::named(text).ok_or_else(|| "there are f32, f16 and int8".to_owned())
}

fn on_the_cpu(reason: &dyn std::fmt::Display) -> String {
    format!("networks run on the CPU: {reason}")
}

/// `native`, or the side of a canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CanvasOption(Option<u32>);

impl CanvasOption {
    pub const NATIVE: CanvasOption = CanvasOption(None);
}

impl FromStr for CanvasOption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "native" => Ok(CanvasOption(None)),
            Ok(side @ 32..=1024) => Ok(CanvasOption(Some(side))),
            _ => Err("`native` or a side from 32 to 1024 pixels".into()),
        }
    }
}

pub(super) fn refit(text: &str) -> Result<Refit, String> {
    match text {
        "train" => Ok(Refit::Train),
        "train+val" => Ok(Refit::TrainAndVal),
        _ => Err("`train` or `train+val`".into()),
    }
}

/// Checked settings and data sets that are here.
pub(super) struct Job {
    pub datasets: Vec<Dataset>,
    pub request: Request,
}

impl Options {
    /// Every option but these as where nothing is typed, for commands that have others.
    pub fn of(setup: Setup, recording: Recording) -> Options {
        Options {
            dataset: Vec::new(),
            arms: Vec::new(),
            form: None,
            setup,
            input: None,
            seeds: vec![0],
            canvas: vec![CanvasOption::NATIVE],
            refit: None,
            recording,
            given: Vec::new(),
        }
    }

    /// [`job`](Options::job) of a command that compares no networks.
    ///
    /// # Errors
    /// As there, or several backbones are named.
    pub fn job_with_one_backbone(&self) -> Result<Job> {
        self.setup.one_backbone()?;
        self.job()
    }

    /// Checks everything; says on standard error why `--device auto` takes the CPU, where it does.
    ///
    /// # Errors
    /// Unknown names, a data set that is not here or not as its manifest says, a device that does not work.
    pub fn job(&self) -> Result<Job> {
        let threads = self.setup.start()?;
        let datasets = self.datasets()?;
        let drawn = datasets.iter().all(|dataset| dataset.folder.is_none());
        let form = self.form.unwrap_or(if drawn { Form::Reduced } else { Form::Standard });
        let mut request = Request {
            arms: self.select(drawn, form)?,
            backbones: Vec::new(),
            input: INPUT,
            seeds: without_repeats(&self.seeds),
            canvases: without_repeats(&self.canvas).into_iter().map(|canvas| canvas.0).collect(),
            refit: self.refit,
            threads,
            device: Device::PLAIN,
            detailed: true,
            form: if form == Form::Standard { String::new() } else { form.name().into() },
        };
        let usual = if drawn { procedural::SIDE } else { INPUT };
        request.input = self.input.unwrap_or(usual);
        if request.arms.iter().any(|arm| arm.needs().network) {
            let find = |name: &String| Asked::find(name, &self.setup.model_dir, self.input, usual);
            request.backbones = without_repeats(&self.setup.backbones()).iter().map(find).collect();
            request.input = request.backbones.first().map_or(request.input, |asked| asked.input);
        }
        let (device, fallback) = self.setup.device.resolve(self.setup.kernels, !request.backbones.is_empty())?;
        if device == Device::Cuda && self.setup.kernels.is_some() {
            bail!("--kernels is for the CPU, and networks run on the GPU here: leave it out, or add --device cpu");
        }
        request.device = device;
        fallback.iter().for_each(|reason| eprintln!("{reason}"));
        for Asked { name, found, input } in &request.backbones {
            if let Some(backbone) = found.as_ref().ok().filter(|backbone| !backbone.is_as_registered()) {
                eprintln!("{}", printable(&format!("backbone {name}: {}", backbone.described(*input))));
            }
        }
        Ok(Job { datasets, request })
    }

    /// The arms that are named or else those of every comparison, in this form.
    fn select(&self, drawn: bool, form: Form) -> Result<Vec<Arm>> {
        if !self.given.is_empty() {
            return Ok(self.given.clone());
        }
        let mut arms = Arm::select(&self.arms)?;
        if drawn && self.arms.is_empty() {
            arms.extend(Arm::select(&TRAINED_ON_DRAWN.map(String::from))?);
        }
        match form {
            Form::Standard => Ok(arms),
            Form::Reduced => {
                let input = if self.input.is_none() { Some(REDUCED_INPUT) } else { None };
                Ok(arms.iter().map(|arm| arm.reduced(input)).collect())
            }
            Form::Full => bail!("--form full is for experiments; here there are reduced and standard"),
        }
    }

    fn datasets(&self) -> Result<Vec<Dataset>> {
        let Setup { data_dir, reading, .. } = &self.setup;
        if reading.labels.is_some() && self.dataset.len() != 1 {
            bail!("--labels is for one folder: name it with --dataset FOLDER, without another data set");
        }
        if reading.group.is_some() && self.dataset.is_empty() {
            bail!("--group is for a folder of images: name it with --dataset FOLDER");
        }
        let datasets: Vec<Dataset> = match &self.dataset[..] {
            [] => vec![self.default_dataset()?],
            names => names.iter().map(|name| reading.open(name, data_dir.as_deref())).collect::<Result<_, _>>()?,
        };
        for dataset in &datasets {
            if dataset.folder.as_ref().is_some_and(|folder| lies_in(&self.recording.out, folder)) {
                bail!(
                    "--out {} lies in the folder of {}, where reports would be taken for images: choose another --out",
                    self.recording.out.display(),
                    dataset.name
                );
            }
        }
        Ok(datasets)
    }

    /// Photographs where they are here, else what can be drawn anywhere; says which, and how to get the other.
    fn default_dataset(&self) -> Result<Dataset> {
        match open(PHOTOGRAPHS, self.setup.data_dir.as_deref()) {
            Ok(dataset) => {
                eprintln!(
                    "data set: {PHOTOGRAPHS}, found in {}; `--dataset procedural` for drawn images",
                    dataset.place()
                );
                Ok(dataset)
            }
            Err(DatasetError::NotFound(_)) => {
                eprintln!(
                    "data set: procedural, drawn images, since {PHOTOGRAPHS} is not on this machine; `featbench fetch \
                     {PHOTOGRAPHS}` gets it"
                );
                Ok(open(procedural::NAME, None)?)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The data set of this name or in this folder, read by its folders alone.
pub(super) fn open(name_or_folder: &str, data_dir: Option<&Path>) -> Result<Dataset, DatasetError> {
    ReadingOptions::default().open(name_or_folder, data_dir)
}

/// Is `out` in or below `folder`? It need not exist yet.
fn lies_in(out: &Path, folder: &Path) -> bool {
    let out = std::path::absolute(out).unwrap_or_default();
    let place = out.ancestors().find_map(|place| place.canonicalize().ok());
    folder.canonicalize().is_ok_and(|folder| place.is_some_and(|place| place.starts_with(folder)))
}

fn without_repeats<T: PartialEq + Clone>(values: &[T]) -> Vec<T> {
    values.iter().enumerate().filter(|(i, value)| !values[..*i].contains(value)).map(|(_, v)| v.clone()).collect()
}
