use fitferry_fuzz::{TARGETS, Target};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest::{collection, sample};

use crate::corpus::kept;

/// Mutations of each target: a fixed number, so that a slow machine does no less.
const EXECUTIONS: u32 = 1_000;
const INPUT_BYTES_MAX: usize = 8 * 1024;

/// A change to an input; places are fractions of its length.
#[derive(Clone, Debug)]
enum Edit {
    Flip(sample::Index, u8),
    Set(sample::Index, u8),
    Insert(sample::Index, Vec<u8>),
    Remove(sample::Index, usize),
    Repeat(sample::Index, usize, usize),
    Cut(sample::Index),
    /// A number of 32 bits, in little order.
    Number(sample::Index, u32),
    Splice(sample::Index, sample::Index, usize),
}

#[test]
fn mutations_of_a_fixed_number_break_no_promise() {
    for target in TARGETS {
        mutate(target);
    }
    println!("{EXECUTIONS} mutations of each of {} targets", TARGETS.len());
}

fn mutate(target: &'static Target) {
    let inputs = [kept(target), (target.seeds)()].concat();
    let config = Config { cases: EXECUTIONS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let edits = collection::vec(edit(target.words), 1..6);
    let all = inputs.clone();
    let mutated = (sample::select(inputs), edits).prop_map(move |(input, edits)| {
        edits.into_iter().fold(input, |input, edit| applied(input, edit, &all))
    });
    let ran = runner.run(&mutated, |input| {
        (target.run)(&input);
        Ok(())
    });
    if let Err(failure) = ran {
        panic!("{}: {failure}", target.name);
    }
}

fn edit(words: &'static [&'static str]) -> impl Strategy<Value = Edit> {
    let at = any::<sample::Index>;
    let number =
        prop_oneof![Just(0), Just(1), Just(u32::MAX), Just(u32::MAX - 1), Just(0x8000_0000), any::<u32>()];
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (at(), sample::select(words)).prop_map(|(at, word)| Edit::Insert(at, word.as_bytes().to_vec())),
        (at(), collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (at(), 1..40_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        (at(), 1..24_usize, 1..60_usize).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        at().prop_map(Edit::Cut),
        (at(), number).prop_map(|(at, number)| Edit::Number(at, number)),
        (at(), at(), 1..200_usize).prop_map(|(at, of, length)| Edit::Splice(at, of, length)),
    ]
}

fn applied(mut input: Vec<u8>, edit: Edit, all: &[Vec<u8>]) -> Vec<u8> {
    let place = |at: &sample::Index, length: usize| at.index(length + 1);
    let length = input.len();
    match edit {
        Edit::Flip(at, bit) => {
            if let Some(byte) = input.get_mut(place(&at, length)) {
                *byte ^= 1 << bit;
            }
        }
        Edit::Set(at, new) => {
            if let Some(byte) = input.get_mut(place(&at, length)) {
                *byte = new;
            }
        }
        Edit::Insert(at, bytes) => {
            let at = place(&at, length);
            input.splice(at..at, bytes);
        }
        Edit::Remove(at, count) => {
            let at = place(&at, length);
            input.drain(at..(at + count).min(length));
        }
        Edit::Repeat(at, part, times) => {
            let at = place(&at, length);
            let part = input[at..(at + part).min(length)].repeat(times);
            input.splice(at..at, part);
        }
        Edit::Cut(at) => input.truncate(place(&at, length)),
        Edit::Number(at, number) => {
            let at = place(&at, length);
            let end = (at + 4).min(length);
            input[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
        }
        Edit::Splice(at, of, part) => {
            let other = &all[of.index(all.len())];
            let from = place(&at, other.len());
            let at = place(&at, length);
            input.splice(at..at, other[from..(from + part).min(other.len())].iter().copied());
        }
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}
