#!/usr/bin/env bash
# Makes the .wasm that Envoy loads from the one that rustc links.
#
# rustc exports every `#[no_mangle]` function, used or not, and Envoy calls each export that it finds:
# the unused ones cost up to half of the filter's time on every connection and buffer.
#
# usage: lean-wasm.sh LINKED.wasm OUT.wasm
set -euo pipefail
linked=$1 out=$2
root=$(cd "$(dirname "$0")/.." && pwd)
binaryen=$root/target/tools/node_modules/.bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What rustc's LLVM takes for granted on wasm32-unknown-unknown.
features=(--enable-bulk-memory --enable-bulk-memory-opt --enable-call-indirect-overlong --enable-multivalue
  --enable-mutable-globals --enable-nontrapping-float-to-int --enable-reference-types --enable-sign-ext)

"$binaryen/wasm-as" "$root/src/absent.wat" -o "$work/absent.wasm"
# The second name is the import module that the first imports from.
"$binaryen/wasm-merge" "${features[@]}" "$linked" filter "$work/absent.wasm" env -o "$work/merged.wasm"
"$binaryen/wasm-metadce" "${features[@]}" --graph-file "$root/src/exports.json" \
  "$work/merged.wasm" -o "$work/pruned.wasm" >/dev/null
"$binaryen/wasm-opt" "${features[@]}" -Oz --converge --strip-debug --strip-producers \
  "$work/pruned.wasm" -o "$out.new"
mv "$out.new" "$out"
