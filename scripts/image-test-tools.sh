#!/usr/bin/env bash
# Makes the registry and the client available with which `make test-image` holds ours: Debian's
# docker-registry and skopeo, where the machine has none.
#
# The registry is only unpacked, to target/tools/docker-registry: once installed, it would be started as
# a service that listens to everybody.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

unpacked=target/tools/docker-registry
need_registry() { ! type -P docker-registry >/dev/null && ! [ -x "$unpacked/usr/bin/docker-registry" ]; }
need_skopeo() { ! type -P skopeo >/dev/null; }

if need_registry || need_skopeo; then
  as_root apt-get update -qq
fi
if need_registry; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # For apt's own user, which would warn otherwise.
  chmod 755 "$work"
  (cd "$work" && apt-get download -qq docker-registry)
  dpkg-deb --extract "$work"/docker-registry_*.deb "$unpacked"
fi
if need_skopeo; then
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends skopeo
fi
