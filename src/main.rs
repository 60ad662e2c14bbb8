//! The `botgate` binary: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    botgate::cli::main(std::env::args_os())
}
