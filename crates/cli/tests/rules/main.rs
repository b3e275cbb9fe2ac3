//! The rules of the engine, each with the real clients and store against the sandbox, in time that moves
//! only when somebody waits.
//!
//! Every module is a rule of the architecture page; each test in it fails without the code that keeps the
//! rule. The arithmetic of the rules is tested beside the core; here is what a tick does with it.

#![expect(unreachable_pub, reason = "no other crate uses these tests: here `pub` is for the other modules")]

mod blame;
mod budget;
mod doubt;
mod far_enough_back;
mod fresh_eyes;
mod garmins_own_link;
mod head;
mod intent;
mod judge_little;
mod lease;
mod runner;
mod same_activity;
mod time;
mod tokens;
