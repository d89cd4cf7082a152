//! One test binary: black-box tests of the commands, reference values, snapshots and the fences between modules.

mod browser;
mod calibration;
mod check;
mod cli;
mod conformance;
mod coverage;
mod dataset;
mod docs;
mod experiments;
mod fences;
mod fetch;
mod near_duplicates;
mod planted;
mod procedural;
mod records;
mod reference;
mod repeats;
mod snapshots;
mod support;
mod sweeps;
mod synthetic;
mod verdict;
