//! One test binary: black-box tests of the commands, reference values, snapshots and the fences between modules.

mod browser;
mod fences;
mod records;
mod docs;
mod reference;
mod snapshots;
mod support;
mod synthetic;
