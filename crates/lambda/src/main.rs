//! A placeholder until the bootstrap is merged.

fn main() {}
