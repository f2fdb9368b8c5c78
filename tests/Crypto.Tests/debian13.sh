#!/usr/bin/env bash
# debian13.sh TESTS VECTORS: runs the built Crypto.Tests in folder TESTS on a Debian 13, whose OpenSSL 3.5 has ML-KEM, in mount and network namespaces of its own.
# First all of them, then those of the hybrid KEM, of which none may be skipped. The Debian is made once, by debootstrap, and kept in artifacts/debian-13.
# Ends with 77 where the machine cannot do that.
set -euo pipefail
tests=$(realpath "$1") vectors=$(realpath -m "$2")
cd "$(dirname "$0")/../.."
root=$PWD/artifacts/debian-13
mirror=${TACIT_DEBIAN_MIRROR:-http://deb.debian.org/debian}

skip() { echo "debian13.sh: $*" >&2; exit 77; }
[ "$(id -u)" = 0 ] || skip 'needs root'
for tool in debootstrap unshare chroot; do
  command -v "$tool" >/dev/null || skip "$tool is not installed"
done
[ -d "$vectors" ] || skip "no test vectors at $vectors"

if [ ! -e "$root/.complete" ]; then
  rm -rf "$root.new"
  mkdir -p "$root.new"
  debootstrap --variant=minbase --include=libssl3t64,libstdc++6 trixie "$root.new" "$mirror" >"$root.log" 2>&1 ||
    skip "debootstrap failed: $(tail -n 1 "$root.log")"
  mkdir -p "$root.new"/opt/{dotnet,tests,vectors}
  touch "$root.new/.complete"
  rm -rf "$root"
  mv "$root.new" "$root"
fi

export root tests vectors dotnet
dotnet=$(dirname "$(realpath "$(command -v dotnet)")")
# shellcheck disable=SC2016 # expanded inside
exec unshare --mount --net --pid --fork --kill-child bash -euc '
  mount --make-rprivate /
  mount --bind -o ro "$dotnet" "$root/opt/dotnet"
  mount --bind -o ro "$tests" "$root/opt/tests"
  mount --bind -o ro "$vectors" "$root/opt/vectors"
  mount -t proc proc "$root/proc"
  mount -t tmpfs tmpfs "$root/tmp"
  run() {
    chroot "$root" /usr/bin/env -i PATH=/opt/dotnet:/usr/bin:/bin HOME=/tmp TACIT_VECTORS=/opt/vectors DOTNET_CLI_TELEMETRY_OPTOUT=1 \
      dotnet exec /opt/tests/Tacit.Crypto.Tests.dll -noColor "$@"
  }
  run
  run -failSkips -class Tacit.Crypto.Tests.HpkeHybridTests -class Tacit.Crypto.Tests.HpkeVectorTests -method- "*.All_tests_of_this_project_pass_where_libcrypto_has_ml_kem"
'
