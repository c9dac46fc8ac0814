//! Writes the marketplace extension (`.vsix`).

fn main() {}
