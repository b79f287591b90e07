#!/usr/bin/env bash
# Makes a Rust standard library for wasm32-unknown-unknown available, and leaves target/wasm-rustc:
# the compiler to use for that target.
#
# First choice is the rustup target. Where it cannot be downloaded, Debian's rustc-web is used with a
# standard library built once from rust-web-src.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
compiler=target/wasm-rustc
mkdir -p target

# Leaves $compiler as a script that runs "$@" with cargo's arguments added.
write_compiler() {
  printf '#!/bin/sh\nexec' >"$compiler.new"
  printf " '%s'" "$@" >>"$compiler.new"
  printf ' "$@"\n' >>"$compiler.new"
  chmod +x "$compiler.new"
  mv "$compiler.new" "$compiler"
}

has_std() {
  ls "$("$@" --print sysroot)/lib/rustlib/$target/lib/"libstd-*.rlib >/dev/null 2>&1
}

if [ -x "$compiler" ] && "$compiler" --version >/dev/null 2>&1 && has_std "$compiler"; then
  exit 0
fi

if has_std rustc || { command -v rustup >/dev/null && rustup target add "$target" && has_std rustc; }; then
  write_compiler "$(command -v rustc)"
  exit 0
fi

echo "rustup could not add $target; building its standard library from Debian's rust-web-src" >&2
if ! dpkg -s rust-web-src >/dev/null 2>&1; then
  as_root=$([ "$(id -u)" = 0 ] || echo sudo)
  $as_root apt-get update -qq
  $as_root apt-get install -y -qq --no-install-recommends rustc-web cargo-web rust-web-src
fi

host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
sysroot=$PWD/target/wasm-sysroot
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src"
touch "$work/src/lib.rs"
printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n' >"$work/Cargo.toml"
(cd "$work" && RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/target \
  /usr/bin/cargo build --release -Zbuild-std=std,panic_abort,test --target "$target")

rm -rf "$sysroot"
mkdir -p "$sysroot/lib/rustlib/$target/lib"
find "$work/target/$target/release/deps" -name '*.rlib' ! -name 'libempty*' \
  -exec cp {} "$sysroot/lib/rustlib/$target/lib/" \;
# Build scripts and procedural macros are compiled for the host by the same compiler.
ln -s "$(/usr/bin/rustc --print sysroot)/lib/rustlib/$host" "$sysroot/lib/rustlib/$host"
write_compiler /usr/bin/rustc --sysroot "$sysroot"
has_std "$compiler"
