//! The binaries as their systems' loaders read them: for what, from which version on, linked to what.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;

use feedbuild_platforms::binary;
use object::macho::{self, MachHeader64};
use object::pe::{self, ImageNtHeaders64};
use object::read::elf::{ElfFile64, ProgramHeader as _};
use object::read::macho::{LoadCommandVariant, MachHeader as _};
use object::read::pe::{ImageNtHeaders as _, PeFile64};
use object::{Endianness, LittleEndian, Object as _, elf};
use sha2::{Digest as _, Sha256};

#[test]
fn linux_binaries_are_static() {
    for (platform, machine) in [("linux-x64", elf::EM_X86_64), ("linux-arm64", elf::EM_AARCH64)] {
        let bytes = fs::read(binary(platform)).unwrap();
        let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
        assert_eq!(file.elf_header().e_machine.get(Endianness::Little), machine, "{platform}");
        let kinds: Vec<elf::ProgramType> =
            file.elf_program_headers().iter().map(|header| header.p_type(Endianness::Little)).collect();
        assert!(kinds.contains(&elf::PT_LOAD), "{platform}");
        assert!(!kinds.contains(&elf::PT_INTERP), "{platform} needs a loader");
    }
}

#[test]
fn windows_binaries_need_only_what_every_windows_has() {
    for (platform, machine) in
        [("win-x64", pe::IMAGE_FILE_MACHINE_AMD64), ("win-arm64", pe::IMAGE_FILE_MACHINE_ARM64)]
    {
        let bytes = fs::read(binary(platform)).unwrap();
        let file = PeFile64::parse(&*bytes).unwrap();
        let headers: &ImageNtHeaders64 = file.nt_headers();
        assert_eq!(headers.file_header().machine.get(LittleEndian), machine, "{platform}");
        assert_eq!(
            headers.optional_header.subsystem.get(LittleEndian),
            pe::IMAGE_SUBSYSTEM_WINDOWS_CUI,
            "{platform}"
        );
        let libraries: BTreeSet<String> = file
            .imports()
            .unwrap()
            .map(|import| String::from_utf8_lossy(import.unwrap().library()).to_lowercase())
            .filter(|library| !library.starts_with("api-ms-win-"))
            .collect();
        let known = [
            "advapi32.dll",
            "bcrypt.dll",
            "bcryptprimitives.dll",
            "crypt32.dll",
            "kernel32.dll",
            "kernelbase.dll",
            "ntdll.dll",
            "secur32.dll",
            "ws2_32.dll",
        ]
        .map(str::to_owned);
        assert!(libraries.is_subset(&known.into()), "{platform}: {libraries:?}");
    }
}

/// What a loader reads of a Mach-O file.
struct Mac {
    cpu: macho::CpuType,
    minimum: String,
    libraries: Vec<String>,
    has_entry: bool,
    /// Where the signature begins, and its bytes.
    signature: Option<(usize, Vec<u8>)>,
}

fn mac(bytes: &[u8]) -> Mac {
    let header = MachHeader64::<Endianness>::parse(bytes, 0).unwrap();
    let endian = header.endian().unwrap();
    assert_eq!(header.filetype(endian), macho::MH_EXECUTE);
    assert!(header.flags(endian).contains(macho::MH_PIE));
    let mut mac = Mac {
        cpu: header.cputype(endian),
        minimum: String::new(),
        libraries: Vec::new(),
        has_entry: false,
        signature: None,
    };
    let mut commands = header.load_commands(endian, bytes, 0).unwrap();
    while let Some(command) = commands.next().unwrap() {
        match command.variant().unwrap() {
            LoadCommandVariant::BuildVersion(version, _) => {
                assert_eq!(version.platform.get(endian), macho::PLATFORM_MACOS);
                let minimum = version.minos.get(endian);
                mac.minimum = format!("{}.{}", minimum.major(), minimum.minor());
            }
            LoadCommandVariant::Dylib(library) => {
                let name = command.string(endian, library.dylib.name).unwrap();
                mac.libraries.push(String::from_utf8_lossy(name).into_owned());
            }
            LoadCommandVariant::EntryPoint(_) => mac.has_entry = true,
            LoadCommandVariant::LinkeditData(data) if command.cmd() == macho::LC_CODE_SIGNATURE => {
                let start = data.dataoff.get(endian) as usize;
                let end = start + data.datasize.get(endian) as usize;
                mac.signature = Some((start, bytes[start..end].to_vec()));
            }
            _ => {}
        }
    }
    mac.libraries.sort();
    mac
}

#[test]
fn macos_binaries_are_for_macos_11_and_link_the_system_alone() {
    for (platform, cpu) in [("osx-x64", macho::CPU_TYPE_X86_64), ("osx-arm64", macho::CPU_TYPE_ARM64)] {
        let mac = mac(&fs::read(binary(platform)).unwrap());
        assert_eq!((mac.cpu, mac.minimum.as_str(), mac.has_entry), (cpu, "11.0", true), "{platform}");
        assert_eq!(
            mac.libraries,
            [
                "/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation",
                "/System/Library/Frameworks/Security.framework/Versions/A/Security",
                "/usr/lib/libSystem.B.dylib",
            ],
            "{platform}"
        );
    }
}

/// A big-endian number in a signature.
fn number(blob: &[u8], at: usize) -> usize {
    u32::from_be_bytes(blob[at..at + 4].try_into().unwrap()) as usize
}

/// The kernel of a Mac on arm64 runs nothing whose pages do not have the hashes of its signature (xnu `cs_blobs.h`).
#[test]
fn the_signature_of_the_arm64_binary_holds_the_hash_of_every_page() {
    const EMBEDDED_SIGNATURE: usize = 0xfade_0cc0;
    const CODE_DIRECTORY: usize = 0xfade_0c02;
    const ADHOC: usize = 0x2;
    const SHA256: u8 = 2;

    let bytes = fs::read(binary("osx-arm64")).unwrap();
    let (start, signature) = mac(&bytes).signature.unwrap();
    assert_eq!((number(&signature, 0), number(&signature, 12)), (EMBEDDED_SIGNATURE, 0));
    let directory = &signature[number(&signature, 16)..];
    assert_eq!(number(directory, 0), CODE_DIRECTORY);
    assert_eq!(number(directory, 12) & ADHOC, ADHOC);
    let (hashes, slots, limit) = (number(directory, 16), number(directory, 28), number(directory, 32));
    assert_eq!((limit, directory[36], directory[37]), (start, 32, SHA256));
    let page = 1 << directory[39];
    assert_eq!(slots, limit.div_ceil(page));
    for (index, page) in bytes[..limit].chunks(page).enumerate() {
        let hash = &directory[hashes + 32 * index..][..32];
        assert_eq!(Sha256::digest(page).as_slice(), hash, "page {index}");
    }
}
