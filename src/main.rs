//! The `botgate` binary: arguments in, exit code out.

fn main() {}
