//! Random bytes from the host: getrandom knows no source on wasm32-unknown-unknown, so this names
//! one, WASI's `random_get`, which Envoy provides.

/// A seed for a generator that is not for secrets.
pub(crate) fn seed() -> Result<u64, String> {
    getrandom::u64().map_err(|error| format!("no random seed from Envoy: {error}"))
}

#[cfg(target_arch = "wasm32")]
#[expect(
    unsafe_code,
    reason = "the host's function and getrandom's hook are C and Rust ABI"
)]
mod host {
    use getrandom::Error;

    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        fn random_get(destination: *mut u8, length: usize) -> u16;
    }

    /// getrandom's hook for `--cfg getrandom_backend="custom"`, which .cargo/config.toml sets.
    #[unsafe(no_mangle)]
    unsafe extern "Rust" fn __getrandom_v03_custom(
        destination: *mut u8,
        length: usize,
    ) -> Result<(), Error> {
        // SAFETY: getrandom passes a buffer of `length` bytes.
        match unsafe { random_get(destination, length) } {
            0 => Ok(()),
            _ => Err(Error::UNEXPECTED),
        }
    }
}
