#!/usr/bin/env bash
# install-units.sh ROOT: puts units, sockets and their sandbox where the package has them, under ROOT.
set -euo pipefail
root=${1:?ROOT}
cd "$(dirname "$0")/debian/units"
for unit in tacit-*.service tacit-*.socket tacit-*.timer; do
  [ -e "$unit" ] || continue
  manager=system
  [ "$unit" != tacit-app.service ] || manager=user
  install -Dm644 "$unit" "$root/usr/lib/systemd/$manager/$unit"
done
for manager in system user; do install -Dm644 tacit-.service.d/sandbox.conf "$root/usr/lib/systemd/$manager/tacit-.service.d/sandbox.conf"; done
