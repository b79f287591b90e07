#!/usr/bin/env bash
# Sends 2,000 connections through the waypoint of envoy/docker-compose.yaml; 0 if they come out 90/10.
#
# ENVOY_IMAGE names the base image: by default Envoy's public one, or, where that cannot be pulled, one
# built here from the same binary.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(cat envoy/VERSION)
docker info >/dev/null || { echo "docker compose needs a running Docker engine" >&2; exit 1; }
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
else
  compose=(docker-compose)
fi
compose+=(--project-name waypoint-l4 --file envoy/docker-compose.yaml)

if [ -z "${ENVOY_IMAGE:-}" ]; then
  ENVOY_IMAGE=envoyproxy/envoy:v$version
  if ! docker image inspect "$ENVOY_IMAGE" >/dev/null 2>&1 && ! docker pull "$ENVOY_IMAGE"; then
    ENVOY_IMAGE=waypoint-l4-envoy:$version
    echo "building $ENVOY_IMAGE instead, from the binary that \`make setup\` installed"
    scripts/compose-base.sh "$ENVOY_IMAGE"
  fi
fi
# See compose-base.sh.
export ENVOY_IMAGE DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0

rm -rf target/compose
mkdir -p target/compose/image target/compose/mesh
cp envoy/Dockerfile target/waypoint-l4.wasm target/release/waypoint-l4-testbed target/compose/image
target/release/waypoint-l4 compile --output config -f testdata/manifests/tcp-traffic-shifting \
  >target/compose/config.json
target/release/waypoint-l4-testbed render --out target/compose/mesh --mounted-at /mesh \
  --wasm /etc/waypoint-l4/plugin.wasm --config target/compose/config.json

clean_up() {
  "${compose[@]}" down --volumes --timeout 1
  docker image rm waypoint-l4-compose >/dev/null || true
}
trap clean_up EXIT
"${compose[@]}" up --build --abort-on-container-exit --exit-code-from client --timeout 2
