#!/usr/bin/env bash
# install-units.sh ROOT: puts units, sockets, their sandbox, and the scripts and files around them, where the package has them, under ROOT.
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
cd ../..
for unit in network/*.service network/*.timer; do install -Dm644 "$unit" "$root/usr/lib/systemd/system/${unit##*/}"; done
for script in network/*.sh; do install -Dm755 "$script" "$root/usr/share/tacit/$script"; done
for script in units-score.sh check-host.sh; do install -Dm755 "$script" "$root/usr/share/tacit/$script"; done
install -Dm644 debian/units/onion.conf "$root/usr/share/tacit/units/onion.conf"
install -Dm644 host/sysctl.conf "$root/usr/share/tacit/host/sysctl.conf"
install -Dm644 host/coredump.conf "$root/usr/share/tacit/host/coredump.conf"
for file in observability/* nginx/*.conf; do install -Dm644 "$file" "$root/usr/share/tacit/$file"; done
