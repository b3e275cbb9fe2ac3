//! Faults that are planted to prove that the simulation would find them.

use std::sync::Arc;

use fitferry_core::planted::{Fault, plant};
use fitferry_core::ports::Ports;

use crate::process::Process;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Engine(Fault),
}

/// Does something with a fault in force.
pub(crate) fn in_force<T>(planted: Option<Planted>, work: impl FnOnce() -> T) -> T {
    let fault = match planted {
        Some(Planted::Engine(fault)) => Some(fault),
        None => None,
    };
    plant(fault);
    let done = work();
    plant(None);
    done
}

/// The doors of a process, with one of them spoilt.
pub(crate) struct Doors {
    process: Arc<Process>,
}

impl Doors {
    pub(crate) fn ports(&self) -> Ports<'_> {
        self.process.ports()
    }
}

impl Planted {
    pub(crate) fn doors(self, _: &Arc<Process>) -> Option<Doors> {
        None
    }
}
