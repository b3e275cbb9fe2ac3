//! The simulation as a test: a fixed budget of seeds, the proof that it would notice, and that it replays.

mod backfill;
mod planted;
mod replay;
mod seeds;
