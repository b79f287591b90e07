#!/usr/bin/env bash
# Builds an image from the Envoy that `make setup` installed, with what it and the testbed are linked
# with and nothing else.
#
# usage: compose-base.sh TAG
set -euo pipefail
tag=$1
cd "$(dirname "$0")/.."

envoy=$(ls .venv/lib/python*/site-packages/envoy/_bin/envoy)
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
DOCKER_BUILDKIT=0 docker build --quiet --tag "$tag" --file envoy/base.Dockerfile "$context"
