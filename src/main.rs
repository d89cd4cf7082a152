//! The command line of featbench.

use std::process::ExitCode;

fn main() -> ExitCode {
    featbench::cli::main()
}
