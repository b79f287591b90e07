#!/usr/bin/env bash
# Builds an image from the Envoy that `make setup` installed, with what it and the testbed are linked
# with and nothing else.
#
# usage: compose-base.sh TAG
set -euo pipefail
tag=$1
cd "$(dirname "$0")/.."

envoy=$(find .venv/lib -path '*/envoy/_bin/envoy' | head -n 1)
[ -n "$envoy" ] || { echo "there is no Envoy: run make setup" >&2; exit 1; }
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir -p "$context/usr/local/bin" "$context/tmp"
cp "$envoy" "$context/usr/local/bin/envoy"
# `ldd` prints "name => path (address)", and the loader as "path (address)".
for binary in "$envoy" target/release/waypoint-l4-testbed; do
  ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    install -D "$(readlink -f "$library")" "$context$library"
  done
done
# The classic builder needs no plugin and finds images that only this engine has.
DOCKER_BUILDKIT=0 docker build --quiet --tag "$tag" --file envoy/base.Dockerfile "$context"
