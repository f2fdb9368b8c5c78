#!/usr/bin/env bash
# debian13.sh TESTS VECTORS: runs built tests on a Debian 13, whose OpenSSL 3.5 has ML-KEM, in mount, network and process namespaces of its own. TESTS is the folder of the
# built Crypto.Tests: all of them run, then those of sealing in the projects beside it, and at last all tests whose name says hybrid, of which none may be skipped.
# The Debian is made once, by debootstrap, and kept in artifacts/debian-13. Ends with 77 where the machine cannot do that.
set -euo pipefail
tests=$(realpath "$1") vectors=$(realpath -m "$2")
cd "$(dirname "$0")/.."
repository=$PWD root=$PWD/artifacts/debian-13
mirror=${TACIT_DEBIAN_MIRROR:-http://deb.debian.org/debian}

skip() { echo "debian13.sh: $*" >&2; exit 77; }
[ "$(id -u)" = 0 ] || skip 'needs root'
for tool in debootstrap unshare chroot; do
  command -v "$tool" >/dev/null || skip "$tool is not installed"
done
[ -d "$vectors" ] || skip "no test vectors at $vectors"

packages=libssl3t64,libstdc++6,libsqlite3-0,curl
if [ "$(cat "$root/.made-of" 2>/dev/null)" != "$packages" ]; then
  rm -rf "$root.new"
  mkdir -p "$root.new"
  debootstrap --variant=minbase "--include=$packages" trixie "$root.new" "$mirror" >"$root.log" 2>&1 ||
    skip "debootstrap failed: $(tail -n 1 "$root.log")"
  mkdir -p "$root.new"/opt/{dotnet,tacit,vectors}
  echo "$packages" >"$root.new/.made-of"
  rm -rf "$root"
  mv "$root.new" "$root"
fi

# bin/CONFIGURATION/net10.0, the same for all projects.
export root vectors repository dotnet output
output=${tests#"$repository/tests/Crypto.Tests/"}
dotnet=$(dirname "$(realpath "$(command -v dotnet)")")
# shellcheck disable=SC2016 # expanded inside
exec unshare --mount --net --pid --fork --kill-child bash -euc '
  mount --make-rprivate /
  mount --bind -o ro "$dotnet" "$root/opt/dotnet"
  mount --bind -o ro "$repository" "$root/opt/tacit"
  mount --bind -o ro "$vectors" "$root/opt/vectors"
  mount -t proc proc "$root/proc"
  mount -t tmpfs tmpfs "$root/tmp"
  ip link set lo up 2>/dev/null || true
  run() {
    project=$1
    shift
    echo "== $project"
    chroot "$root" /usr/bin/env -i PATH=/opt/dotnet:/usr/bin:/bin HOME=/tmp DOTNET_ROOT=/opt/dotnet TACIT_VECTORS=/opt/vectors \
      dotnet exec "/opt/tacit/tests/$project/$output/Tacit.$project.dll" -noColor -noLogo "$@"
  }
  run Crypto.Tests
  for project in Protocol.Tests Gateway.Tests Client.Tests Cli.Tests; do
    run "$project" -class "*Seal*" -class "*Oblivious*" -class- "*OnPostgres"
  done
  for project in Crypto.Tests Protocol.Tests Gateway.Tests; do
    run "$project" -failSkips -method "*ybrid*" -class- "*OnPostgres" -method- "*.All_tests_and_hybrid_ones_elsewhere_pass_where_libcrypto_has_ml_kem"
  done
'
