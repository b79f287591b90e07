#!/usr/bin/env bash
# Makes a Rust standard library for wasm32-unknown-unknown available, and leaves target/wasm-rustc:
# the compiler to use for that target.
#
# First choice is the rustup target. Where it cannot be downloaded, Debian's rustc-web is used with a
# standard library built once from rust-web-src. WASM_STD=debian takes that way at once.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
mkdir -p target

has_std() {
  ls "$("$@" --print sysroot)/lib/rustlib/$target/lib/"libstd-*.rlib >/dev/null 2>&1
}

if [ "${WASM_STD:-rustup}" = rustup ]; then
  if has_std rustc || { command -v rustup >/dev/null && rustup target add "$target" && has_std rustc; }; then
    # No link: rustup's rustc goes by the name it is called by.
    printf '#!/bin/sh\nexec rustc "$@"\n' >target/wasm-rustc
    chmod +x target/wasm-rustc
    exit 0
  fi
  echo "rustup could not add $target; building its standard library from Debian's rust-web-src" >&2
fi

install_packages() {
  as_root=$([ "$(id -u)" = 0 ] || echo sudo)
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "$@"
}
dpkg -s rustc-web cargo-web rust-web-src >/dev/null 2>&1 || install_packages rustc-web cargo-web rust-web-src

# Debian's compiler comes without a linker for Wasm; rustup's has one.
linker=$(find "$(rustc --print sysroot)/lib/rustlib" -name rust-lld | head -n 1)
if [ -z "$linker" ]; then
  command -v wasm-ld >/dev/null || install_packages lld
  linker=$(command -v wasm-ld)
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src"
touch "$work/src/lib.rs"
printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$work/Cargo.toml"
# With bitcode, since the filter is linked with LTO over the standard library too.
(cd "$work" && RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR=$work/target \
  /usr/bin/cargo build --release -Zbuild-std=std,panic_abort,test --target "$target")

sysroot=$PWD/target/wasm-sysroot
host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
rm -rf "$sysroot"
mkdir -p "$sysroot/lib/rustlib/$target/lib"
find "$work/target/$target/release/deps" -name '*.rlib' ! -name 'libempty*' \
  -exec cp {} "$sysroot/lib/rustlib/$target/lib/" \;
# Build scripts and procedural macros are compiled for the host by the same compiler.
ln -s "$(/usr/bin/rustc --print sysroot)/lib/rustlib/$host" "$sysroot/lib/rustlib/$host"

cat >target/wasm-rustc <<EOF
#!/bin/sh
case " \$* " in *" $target "*) set -- "\$@" "-Clinker=$linker" ;; esac
exec /usr/bin/rustc --sysroot "$sysroot" "\$@"
EOF
chmod +x target/wasm-rustc
has_std target/wasm-rustc
