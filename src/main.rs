//! The `feedbuild` command.

fn main() {}
