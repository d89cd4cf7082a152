//! `--device`: CUDA is there or it is said what is missing, before anything is measured; `auto` falls back and says so.
//! Drivers are played by small libraries, so that these tests say the same on a machine with a GPU.

use std::process::Command;

use super::{Ended, Place};

const MEASURE: &str = "measure --dataset photos --arms resnet-frozen-svm --input 32";

/// A place whose driver is this C code; `None` without a compiler, said on standard error.
fn with_driver(code: &str) -> Option<Place> {
    let place = Place::with_photos();
    place.write("driver.c", code);
    std::fs::create_dir(place.path("driver")).unwrap();
    let arguments = ["-shared", "-fPIC", "-o", "driver/libcuda.so.1", "driver.c"];
    let compiled = place.program("cc").args(arguments).status().is_ok_and(|status| status.success());
    if !compiled {
        eprintln!("skipped: no C compiler");
    }
    compiled.then_some(place)
}

/// A place where no driver can be loaded, whatever this machine has.
fn without_driver() -> Place {
    let place = Place::with_photos();
    place.write("driver/libcuda.so.1", "no library");
    place
}

fn run(place: &Place, arguments: &str) -> Ended {
    let mut command: Command = place.command(arguments);
    Ended::of(command.env("LD_LIBRARY_PATH", place.path("driver")))
}

fn nothing_was_measured(place: &Place) {
    assert!(!place.path("featbench-report").exists());
    assert_eq!(place.files("cache"), Vec::<String>::new());
}

#[test]
fn cuda_without_a_driver_ends_before_anything_is_measured() {
    let place = without_driver();
    for arguments in [MEASURE, "report --dataset photos --dry-run", "measure --dataset photos --arms majority"] {
        let ended = run(&place, &format!("{arguments} --device cuda"));
        assert_eq!(ended.stderr.matches("no NVIDIA driver").count(), 1, "{}", ended.stderr);
        ended.refused(&[
            "error: CUDA can't be used: there is no NVIDIA driver (libcuda.so.1 can't be loaded); install NVIDIA's driver, \
             version 580 or newer, then run `make setup CUDA=1`, or use --device cpu",
        ]);
    }
    nothing_was_measured(&place);
}

#[test]
fn cuda_without_a_gpu_ends_before_anything_is_measured() {
    let Some(place) = with_driver("int cuInit(unsigned flags) { return flags == 0 ? 100 : 1; }") else { return };
    let texts = ["the NVIDIA driver finds no GPU that it can use (cuInit gives 100)", "see what `nvidia-smi` says"];
    run(&place, &format!("{MEASURE} --device cuda")).refused(&texts);
    run(&place, "doctor").with(1).saying(&["NO CUDA", texts[0], texts[1]]);
    nothing_was_measured(&place);
}

#[test]
fn a_library_that_cant_use_the_gpu_is_named_with_the_remedy() {
    let Some(place) = with_driver("int cuInit(unsigned flags) { return 0; }") else { return };
    run(&place, &format!("{MEASURE} --device cuda")).refused(&["ONNX Runtime", "run `make setup CUDA=1`"]);
    nothing_was_measured(&place);
}

#[test]
fn auto_falls_back_says_so_and_measures_what_cpu_measures() {
    let place = without_driver();
    let line = "networks run on the CPU: there is no NVIDIA driver (libcuda.so.1 can't be loaded)";
    let ended = run(&place, MEASURE).with(0).saying(&[line, "1 runs, 0 of them recorded"]);
    assert_eq!(ended.stderr.matches("the CPU").count(), 1, "{}", ended.stderr);
    let rows = place.rows("featbench-report/photos/runs.csv");
    assert!(rows[0]["device"].starts_with("cpu"), "what ran is recorded, not what was asked for");
    assert!(place.read("featbench-report/photos/environment.json").contains("\"CPUExecutionProvider intra_op"));

    let ended = run(&place, &format!("{MEASURE} --device cpu")).with(0).saying(&["1 runs, 1 of them recorded"]);
    assert!(!ended.stderr.contains("the CPU"), "{}", ended.stderr);
    let ended = run(&place, "measure --dataset photos --arms majority --device auto").with(0);
    assert!(!ended.stderr.contains("the CPU"), "no network runs: {}", ended.stderr);
}
