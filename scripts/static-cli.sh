#!/usr/bin/env bash
# Builds the command as one file that needs no other: target/static/waypoint-l4.
#
# First choice is musl, from the rustup target. Where that cannot be downloaded, glibc is linked
# statically. STATIC=glibc takes that way at once.
set -euo pipefail
cd "$(dirname "$0")/.."

machine=$(uname -m)
target=$machine-unknown-linux-musl
flags=()

has_std() {
  ls "$(rustc --print sysroot)/lib/rustlib/$target/lib/"libstd-*.rlib >/dev/null 2>&1
}

if [ "${STATIC:-musl}" != musl ] ||
  ! { has_std || { command -v rustup >/dev/null && rustup target add "$target" && has_std; }; }; then
  target=$machine-unknown-linux-gnu
  flags+=(-Ctarget-feature=+crt-static)
  echo "linking glibc statically" >&2
fi

# Paths of the machine that builds have no place in what is shipped.
flags+=("--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" "--remap-path-prefix=$PWD=waypoint-l4")
cargo build --locked --release -p waypoint-l4-cli --target "$target" \
  --config "target.$target.rustflags=[$(printf '"%s",' "${flags[@]}")]" --config profile.release.strip=true
install -D "target/$target/release/waypoint-l4" target/static/waypoint-l4
ls -l target/static/waypoint-l4
