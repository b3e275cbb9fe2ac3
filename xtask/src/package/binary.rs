//! What a built binary is and what it asks of the machine that is to run it: its kind, its libraries and the
//! version of glibc. Amazon Linux 2023, which Lambda's `provided.al2023` stands on, has glibc 2.34.

use std::fmt;

use object::elf::{DT_NEEDED, EM_AARCH64, EM_X86_64, FileHeader64, VER_FLG_WEAK};
use object::endian::LittleEndian;
use object::read::elf::FileHeader;
use object::read::{Error, ReadRef};

use super::Architecture;

/// The newest glibc that a binary may ask for.
const GLIBC_MAX: [u32; 2] = [2, 34];

/// What `provided.al2023` has of shared libraries: glibc's own, and the one that unwinds the stack.
const LIBRARIES: &[&str] = &[
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libresolv.so.2",
    "libutil.so.1",
    "libgcc_s.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];

type Header = FileHeader64<LittleEndian>;

/// Why a binary cannot be the function.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Not a Linux binary of 64 bits, or a damaged one.
    Unreadable(String),
    /// Built for another processor.
    Kind { wanted: Architecture, is: String },
    /// Lambda's glibc has no such version: `GLIBC_2.38`.
    TooNew(String),
    /// Lambda has no such library: `libssl.so.3`.
    Library(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor] = GLIBC_MAX;
        match self {
            Unfit::Unreadable(why) => write!(f, "the built binary is no 64-bit Linux program ({why})"),
            Unfit::Kind { wanted, is } => write!(f, "the built binary is for {is}, not for {wanted}"),
            Unfit::TooNew(version) => write!(
                f,
                "the built binary asks for {version}, and Lambda has glibc {major}.{minor}: install cargo-zigbuild \
                 (`pip install cargo-zigbuild` or `cargo install cargo-zigbuild`, which also needs zig), then try \
                 again"
            ),
            Unfit::Library(name) => write!(f, "the built binary asks for {name}, which Lambda does not have"),
        }
    }
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Unfit {
        Unfit::Unreadable(error.to_string())
    }
}

/// Whether Lambda can run these bytes as a function of this kind.
pub(crate) fn check(bytes: &[u8], wanted: Architecture) -> Result<(), Unfit> {
    let header = Header::parse(bytes)?;
    let endian = header.endian()?;
    let machine = header.e_machine(endian);
    let is = if machine == EM_X86_64 {
        Some(Architecture::X86_64)
    } else if machine == EM_AARCH64 {
        Some(Architecture::Arm64)
    } else {
        None
    };
    if is != Some(wanted) {
        let is =
            is.map_or_else(|| format!("another processor (ELF machine {})", machine.0), |is| is.to_string());
        return Err(Unfit::Kind { wanted, is });
    }
    if header.sections(endian, bytes)?.is_empty() {
        return Err(Unfit::Unreadable("it has no sections, so what it asks for cannot be seen".to_owned()));
    }
    libraries(header, endian, bytes)?;
    versions(header, endian, bytes)
}

fn libraries<'data, R: ReadRef<'data>>(header: &Header, endian: LittleEndian, data: R) -> Result<(), Unfit> {
    let table = header.sections(endian, data)?.dynamic_table(endian, data)?;
    for entry in table.iter().filter(|entry| entry.tag == DT_NEEDED) {
        let name = String::from_utf8_lossy(table.string(entry)?);
        if !LIBRARIES.contains(&name.as_ref()) {
            return Err(Unfit::Library(name.into_owned()));
        }
    }
    Ok(())
}

fn versions<'data, R: ReadRef<'data>>(header: &Header, endian: LittleEndian, data: R) -> Result<(), Unfit> {
    let sections = header.sections(endian, data)?;
    let Some((needs, link)) = sections.gnu_verneed(endian, data)? else {
        return Ok(());
    };
    let strings = sections.strings(endian, data, link)?;
    for need in needs {
        let (_, versions) = need?;
        for version in versions {
            let version = version?;
            // The loader goes on without these.
            if version.vna_flags.get(endian).contains(VER_FLG_WEAK) {
                continue;
            }
            let name = String::from_utf8_lossy(version.name(endian, strings)?);
            if too_new(&name) {
                return Err(Unfit::TooNew(name.into_owned()));
            }
        }
    }
    Ok(())
}

/// A version of glibc that is no number (`GLIBC_ABI_DT_RELR`) stands for something that 2.34 does not know.
fn too_new(name: &str) -> bool {
    let Some(version) = name.strip_prefix("GLIBC_") else {
        return false;
    };
    let numbers: Result<Vec<u32>, _> = version.split('.').map(str::parse).collect();
    numbers.map_or(true, |numbers| numbers.iter().take(2).gt(&GLIBC_MAX))
}

#[cfg(test)]
mod tests;
