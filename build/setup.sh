#!/usr/bin/env bash
# Checks that this machine can build and run Tacit. As root on a Debian-like system it installs what is missing; else it says what to install.
set -euo pipefail

sdk_hint='Install the .NET 10 SDK: https://dotnet.microsoft.com/download/dotnet/10.0'
command -v dotnet >/dev/null || { echo "setup: dotnet is missing. $sdk_hint" >&2; exit 1; }
cd "$(dirname "$0")/.."
dotnet --version >/dev/null 2>&1 || { echo "setup: no SDK that global.json accepts: $(dotnet --list-sdks | tr '\n' ' '). $sdk_hint" >&2; exit 1; }
[ "$(uname -s)" = Linux ] || exit 0

has_library() {
  # Not every distribution has ldconfig (or has it in PATH): look at the usual places too.
  { PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null || true; } | grep -qF "$1" || compgen -G "/lib*/$1" >/dev/null ||
    compgen -G "/usr/lib*/$1" >/dev/null || compgen -G "/usr/lib/*/$1" >/dev/null || compgen -G "/lib/*/$1" >/dev/null
}

required=() wished=()
has_library libsqlite3.so.0 || required+=(libsqlite3-0)
has_library libcrypto.so.3 || required+=(openssl) # brings its library, whose own package is named otherwise in every release
# Benchmarks compare with `openssl speed`; one test reads our keys with it. Without it those say that they were skipped.
command -v openssl >/dev/null || wished+=(openssl)

missing=("${required[@]}" "${wished[@]}")
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "setup: installing ${missing[*]} …"
  log=$(mktemp)
  install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; }
  install || { apt-get update >>"$log" 2>&1 && install; } || { tail -n 5 "$log" >&2; echo "setup: apt-get could not install ${missing[*]} (log: $log)" >&2; [ ${#required[@]} = 0 ]; exit; }
  rm -f "$log"
elif [ ${#required[@]} -gt 0 ]; then
  echo "setup: missing ${required[*]}. On Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
  exit 1
else
  echo "setup: ${wished[*]} is not installed; what needs it will be skipped." >&2
fi
