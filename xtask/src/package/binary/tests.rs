use super::*;

/// A Linux program with nothing in it but what it asks for.
#[derive(Clone)]
struct Program {
    machine: u16,
    /// Versions of libc, each with its flags.
    versions: Vec<(&'static str, u16)>,
    libraries: Vec<&'static str>,
}

const X86_64: u16 = 62;
const AARCH64: u16 = 183;
const RISCV: u16 = 243;

impl Default for Program {
    fn default() -> Program {
        Program { machine: X86_64, versions: vec![("GLIBC_2.34", 0)], libraries: vec!["libc.so.6"] }
    }
}

impl Program {
    /// The bytes of an ELF file: header, then strings, versions and dynamic entries, then the table of sections.
    fn bytes(&self) -> Vec<u8> {
        let mut strings = vec![0u8];
        let mut string = |text: &str| {
            let offset = u32::try_from(strings.len()).unwrap();
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            offset
        };

        let mut needs = Vec::new();
        let count = u16::try_from(self.versions.len()).unwrap();
        needs.extend(1u16.to_le_bytes());
        needs.extend(count.to_le_bytes());
        needs.extend(string("libc.so.6").to_le_bytes());
        needs.extend(16u32.to_le_bytes());
        needs.extend(0u32.to_le_bytes());
        for (index, (name, flags)) in self.versions.iter().enumerate() {
            let last = index + 1 == self.versions.len();
            needs.extend(0u32.to_le_bytes());
            needs.extend(flags.to_le_bytes());
            needs.extend(2u16.to_le_bytes());
            needs.extend(string(name).to_le_bytes());
            needs.extend(if last { 0u32 } else { 16 }.to_le_bytes());
        }

        let mut dynamic = Vec::new();
        for library in &self.libraries {
            dynamic.extend(1u64.to_le_bytes());
            dynamic.extend(u64::from(string(library)).to_le_bytes());
        }
        dynamic.extend([0; 16]);

        let mut file = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        let mut sections = vec![[0u8; 64]];
        let mut bodies = Vec::new();
        // Type as in the ELF specification, and the section with its strings.
        for (kind, link, body) in [(3u32, 0u32, &strings), (0x6fff_fffe, 1, &needs), (6, 1, &dynamic)] {
            let mut section = [0u8; 64];
            section[4..8].copy_from_slice(&kind.to_le_bytes());
            section[24..32].copy_from_slice(&(64 + bodies.len() as u64).to_le_bytes());
            section[32..40].copy_from_slice(&(body.len() as u64).to_le_bytes());
            section[40..44].copy_from_slice(&link.to_le_bytes());
            sections.push(section);
            bodies.extend_from_slice(body);
            bodies.resize(bodies.len().next_multiple_of(8), 0);
        }
        file.extend(3u16.to_le_bytes());
        file.extend(self.machine.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        file.extend([0; 16]);
        file.extend((64 + bodies.len() as u64).to_le_bytes());
        file.extend([0; 4]);
        for half in [64u16, 56, 0, 64, 4, 1] {
            file.extend(half.to_le_bytes());
        }
        file.extend(bodies);
        file.extend(sections.concat());
        file
    }

    fn check(&self, wanted: Architecture) -> Result<(), Unfit> {
        check(&self.bytes(), wanted)
    }
}

#[test]
fn a_program_that_asks_for_no_more_than_lambda_has_is_fit() {
    let versions = vec![("GLIBC_2.2.5", 0), ("GLIBC_2.17", 0), ("GLIBC_2.34", 0), ("GCC_4.2.0", 0)];
    let libraries = vec!["libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2"];
    let program = Program { versions, libraries, ..Program::default() };
    assert_eq!(program.check(Architecture::X86_64), Ok(()));
    assert_eq!(Program { machine: AARCH64, ..program }.check(Architecture::Arm64), Ok(()));
}

#[test]
fn a_program_of_another_kind_is_refused() {
    let kind = |wanted, is: &str| Err(Unfit::Kind { wanted, is: is.to_owned() });
    let program = Program::default();
    assert_eq!(program.check(Architecture::Arm64), kind(Architecture::Arm64, "x86_64"));
    let program = Program { machine: AARCH64, ..Program::default() };
    assert_eq!(program.check(Architecture::X86_64), kind(Architecture::X86_64, "arm64"));
    let program = Program { machine: RISCV, ..Program::default() };
    let other = "another processor (ELF machine 243)";
    assert_eq!(program.check(Architecture::X86_64), kind(Architecture::X86_64, other));
}

#[test]
fn a_newer_glibc_than_lambdas_is_refused() {
    for version in ["GLIBC_2.35", "GLIBC_2.38", "GLIBC_3.0", "GLIBC_2.100", "GLIBC_ABI_DT_RELR"] {
        let program = Program { versions: vec![("GLIBC_2.34", 0), (version, 0)], ..Program::default() };
        assert_eq!(program.check(Architecture::X86_64), Err(Unfit::TooNew(version.to_owned())));
    }
}

#[test]
fn a_newer_glibc_that_the_program_can_do_without_is_none_that_it_asks_for() {
    let program = Program { versions: vec![("GLIBC_2.39", 2), ("GLIBC_2.34", 0)], ..Program::default() };
    assert_eq!(program.check(Architecture::X86_64), Ok(()));
}

#[test]
fn a_library_that_lambda_does_not_have_is_refused() {
    let program = Program { libraries: vec!["libc.so.6", "libssl.so.3"], ..Program::default() };
    assert_eq!(program.check(Architecture::X86_64), Err(Unfit::Library("libssl.so.3".to_owned())));
}

#[test]
fn what_is_no_program_or_is_cut_is_refused_and_never_a_panic() {
    let whole = Program::default().bytes();
    for bytes in [b"".as_slice(), b"#!/bin/sh\n", b"\x7fELF", &whole[..63]] {
        assert!(matches!(check(bytes, Architecture::X86_64), Err(Unfit::Unreadable(_))));
    }
    for end in 64..whole.len() {
        // Cut anywhere, it is refused: the table of sections stands at the end.
        assert!(check(&whole[..end], Architecture::X86_64).is_err(), "cut at {end}");
    }
}

#[test]
fn a_program_whose_sections_were_taken_out_is_refused_since_nothing_can_be_seen() {
    let mut program = Program::default().bytes();
    program[40..48].fill(0);
    program[60..64].fill(0);
    assert!(matches!(check(&program, Architecture::X86_64), Err(Unfit::Unreadable(_))));
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_real_program_of_this_machine_is_read() {
    let mut program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    // Whatever glibc this machine has, the kind and the libraries are right.
    let fit = check(&program, Architecture::X86_64);
    assert!(matches!(fit, Ok(()) | Err(Unfit::TooNew(_))), "{fit:?}");
    let [low, high] = AARCH64.to_le_bytes();
    program[18..20].copy_from_slice(&[low, high]);
    let kind = Unfit::Kind { wanted: Architecture::X86_64, is: "arm64".to_owned() };
    assert_eq!(check(&program, Architecture::X86_64), Err(kind));
}
