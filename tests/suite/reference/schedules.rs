//! Learning rate and momentum of every mini-batch against PyTorch, fastai and Smith's own knots.

use featbench::finetune::schedule::{
    Anneal, Cosine, Cyclic, Fastai, Length, Mode, MultiStep, PyTorch, Rates, Schedule, Smith, Step,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::support::folder_of;

#[derive(Deserialize)]
struct Reference {
    torch: Vec<Case>,
    fastai: Vec<Case>,
    smith: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    steps: usize,
    scheduler: Option<String>,
    #[serde(default)]
    args: Map<String, Value>,
    lr_max: Option<f64>,
    momentum_max: Option<f64>,
    knots_increasing: Option<bool>,
    error: Option<Value>,
    lr: Vec<f64>,
    momentum: Option<Vec<f64>>,
}

impl Case {
    fn number(&self, name: &str) -> Option<f64> {
        self.args.get(name).and_then(Value::as_f64)
    }

    /// PyTorch's momenta where they are cycled, by default between these two; else the optimiser's own throughout.
    fn momenta(&self, [high, low]: [f64; 2]) -> [f64; 2] {
        if self.args.get("cycle_momentum").is_some_and(|v| v == false) {
            return [0.9, 0.9];
        }
        [self.number("max_momentum").unwrap_or(high), self.number("base_momentum").unwrap_or(low)]
    }

    fn word(&self, name: &str) -> &str {
        self.args.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn plan(&self, schedule: &Schedule, peak: f64) -> Vec<Rates> {
        let length = Length { epochs: self.steps, steps_per_epoch: 1 };
        schedule.plan(peak, length).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Within 1e-12 of each value, 1e-15 where it is next to nothing.
    fn assert_equal(&self, plan: &[Rates]) {
        let close = |expected: f64, found: f64| (expected - found).abs() <= (1e-12 * expected.abs()).max(1e-15);
        for (step, (rates, &expected)) in plan.iter().zip(&self.lr).enumerate() {
            let found = rates.learning_rate;
            assert!(close(expected, found), "{} step {step}: lr {expected} expected, {found} found", self.name);
        }
        for (step, (rates, &expected)) in plan.iter().zip(self.momentum.iter().flatten()).enumerate() {
            let found = rates.momentum;
            assert!(close(expected, found), "{} step {step}: momentum {expected} expected, {found} found", self.name);
        }
    }
}

fn one_cycle(case: &Case) -> Schedule {
    let default = PyTorch::default();
    Schedule::OneCyclePytorch(PyTorch {
        pct_start: case.number("pct_start").unwrap_or(default.pct_start),
        anneal: if case.word("anneal_strategy") == "linear" { Anneal::Linear } else { Anneal::Cosine },
        three_phase: case.args.get("three_phase").is_some_and(|v| v == true),
        div: case.number("div_factor").unwrap_or(default.div),
        final_div: case.number("final_div_factor").unwrap_or(default.final_div),
        momentum: case.momenta(default.momentum),
    })
}

fn cyclic(case: &Case, peak: f64) -> Schedule {
    let mode = match case.word("mode") {
        "triangular2" => Mode::Triangular2,
        "exp_range" => Mode::ExpRange,
        _ => Mode::Triangular,
    };
    Schedule::Cyclic(Cyclic {
        div: peak / case.number("base_lr").unwrap(),
        up: case.number("step_size_up").unwrap(),
        down: case.number("step_size_down"),
        mode,
        gamma: case.number("gamma").unwrap_or(1.0),
        momentum: case.momenta([0.9, 0.8]),
    })
}

fn torch(case: &Case) {
    let peak = case.number("max_lr").unwrap_or(0.1);
    let (gamma, momentum) = (case.number("gamma").unwrap_or(0.1), 0.9);
    let schedule = match case.scheduler.as_deref().unwrap() {
        "OneCycleLR" => one_cycle(case),
        "CyclicLR" => cyclic(case, peak),
        "StepLR" => Schedule::Step(Step { every: case.number("step_size").unwrap(), gamma, momentum }),
        "MultiStepLR" => {
            let milestones = case.args["milestones"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            Schedule::MultiStep(MultiStep { milestones, gamma, momentum })
        }
        "CosineAnnealingLR" => {
            let floor = case.number("eta_min").unwrap_or(0.0) / peak;
            let length = Length { epochs: case.number("T_max").unwrap() as usize, steps_per_epoch: 1 };
            let plan = Schedule::Cosine(Cosine { floor, momentum }).plan(peak, length).unwrap();
            return case.assert_equal(&plan);
        }
        other => panic!("{other}"),
    };
    if case.error.is_some() {
        let length = Length { epochs: case.steps, steps_per_epoch: 1 };
        assert!(schedule.plan(peak, length).is_err(), "{} is refused", case.name);
    } else {
        case.assert_equal(&case.plan(&schedule, peak));
    }
}

fn compare(reference: &Reference) {
    reference.torch.iter().for_each(torch);
    for case in &reference.fastai {
        let (pct_start, div) = (case.number("pct_start").unwrap(), case.number("div").unwrap());
        let fastai = Fastai { pct_start, div, final_div: case.number("div_final").unwrap(), ..Fastai::default() };
        case.assert_equal(&case.plan(&Schedule::OneCycleFastai(fastai), case.number("lr_max").unwrap()));
    }
    for case in reference.smith.iter().filter(|case| case.knots_increasing != Some(false)) {
        let high = case.momentum_max.unwrap();
        let smith = Smith { momentum: [high, high.min(0.85)], ..Smith::default() };
        case.assert_equal(&case.plan(&Schedule::OneCycleSmith(smith), case.lr_max.unwrap()));
    }
}

#[test]
fn schedules_give_the_rates_of_pytorch_fastai_and_smith() {
    let reference: Reference = serde_json::from_str(include_str!("../../fixtures/schedules.json")).unwrap();
    assert!(reference.torch.len() > 40 && reference.fastai.len() > 5 && reference.smith.len() > 4);
    compare(&reference);
}

/// The whole reference file, with longer runs; what tests only the arguments of Python's functions is left out.
#[test]
fn schedules_give_every_rate_of_the_whole_reference() {
    let Some(folder) = folder_of("FEATBENCH_FIXTURES") else { return };
    let text = std::fs::read_to_string(folder.join("schedules.json")).unwrap();
    let mut whole: Value = serde_json::from_str(&text).unwrap();
    for case in whole["fastai"].as_array_mut().unwrap() {
        let case = case.as_object_mut().unwrap();
        for field in ["lr", "momentum"] {
            case[field] = case.remove(&format!("{field}_formula_f64")).unwrap();
        }
    }
    let mut reference: Reference = serde_json::from_value(whole).unwrap();
    let pythons = ["_args_", "_beyond_end", "_sgd_momentum_0", "_groups_"];
    reference.torch.retain(|case| !pythons.iter().any(|part| case.name.contains(part)));
    compare(&reference);
}
