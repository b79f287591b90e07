//! What goes into an image, checked before it does: a registry takes anything, and a waypoint that
//! cannot run what it fetched lets connections through unrouted.

use std::ops::Deref;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use object::elf::PT_INTERP;
use object::read::elf::{ElfFile64, ProgramHeader};
use object::{Architecture, Endianness, Object};
use oci_client::config::Architecture as Arch;

/// A Wasm module.
pub(crate) struct Wasm(Bytes);

impl Wasm {
    pub(crate) fn parse(data: Vec<u8>) -> Result<Self> {
        const MAGIC_AND_VERSION: &[u8] = b"\0asm\x01\0\0\0";
        ensure!(
            data.starts_with(MAGIC_AND_VERSION),
            "expected a WebAssembly module of version 1"
        );
        Ok(Self(Bytes::from(data)))
    }
}

impl Deref for Wasm {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.0
    }
}

/// A program for Linux that needs no other file.
pub(crate) struct Executable {
    pub(crate) data: Bytes,
    pub(crate) architecture: Arch,
}

impl Executable {
    pub(crate) fn parse(data: Vec<u8>) -> Result<Self> {
        let file = ElfFile64::<Endianness>::parse(&*data)
            .context("expected an ELF executable of 64 bits")?;
        let architecture = match file.architecture() {
            Architecture::X86_64 => Arch::Amd64,
            Architecture::Aarch64 => Arch::ARM64,
            other => bail!("expected an executable for x86-64 or AArch64, found {other:?}"),
        };
        let interpreter = file
            .elf_program_headers()
            .iter()
            .any(|header| header.p_type(file.endian()) == PT_INTERP);
        ensure!(
            !interpreter,
            "expected a statically linked executable, found one that needs a loader and libraries"
        );
        Ok(Self {
            architecture,
            data: Bytes::from(data),
        })
    }
}
