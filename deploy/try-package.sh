#!/usr/bin/env bash
# try-package.sh DEB [ROOT]: installs the package in a fresh Debian root (made by debootstrap, as root; about a minute), runs signer, issuer and gateway there,
# each as its own user, asks one question through all of them, sees that no user can read another's files, and removes the package.
set -euo pipefail
deb=$(realpath "$1")
root=${2:-}
made=
if [ -z "$root" ]; then
  root=$(mktemp -d)
  made=1
  debootstrap --variant=minbase --include=libssl3,libsqlite3-0,adduser,ca-certificates,openssl,libstdc++6 bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$root.log" 2>&1 ||
    { tail -n 3 "$root.log" >&2; exit 1; }
fi
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  umount "$root/proc" 2>/dev/null || true
  [ -z "$made" ] || rm -rf "$root" "$root.log"
}
trap finish EXIT
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"

cp "$deb" "$root/tmp/tacit.deb"
chroot "$root" dpkg -i /tmp/tacit.deb | tail -n 1

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
signer=$(free_port) issuer=$(free_port) gateway=$(free_port)
sed -i -e "s/:8225/:$issuer/; s/:8226/:$gateway/; s/:8227/:$signer/; s/gpt-4o-mini/tacit-demo/; s#https://gateway.example#http://127.0.0.1:$gateway#" "$root"/etc/tacit/*.json

# start ROLE: as its own user; its line of JSON ends in ROLE.json.
start() {
  chroot --userspec="tacit-$1:tacit-$1" "$root" /usr/bin/tacit "$1" --config "/etc/tacit/$1.json" --data "/var/lib/tacit/$1" --json >"$root/tmp/$1.json" 2>"$root/tmp/$1.log" &
  pids+=($!)
  for _ in $(seq 150); do
    [ -s "$root/tmp/$1.json" ] && { echo "the $1 runs as uid $(awk '/^Uid:/ { print $2 }' "/proc/${pids[-1]}/status")"; return 0; }
    kill -0 "${pids[-1]}" 2>/dev/null || break
    sleep 0.2
  done
  cat "$root/tmp/$1.log" >&2
  return 1
}
start signer
start issuer
key=$(sed -n 's/.*"directoryKey":"\([^"]*\)".*/\1/p' "$root/tmp/issuer.json")
sed -i "s/\"DirectoryKey\": \"[^\"]*\"/\"DirectoryKey\": \"$key\"/" "$root/etc/tacit/gateway.json"
start gateway

code=$(chroot --userspec=tacit-issuer:tacit-issuer "$root" tacit voucher create --credits 10 --data /var/lib/tacit/issuer | tail -n 1)
chroot "$root" env TACIT_HOME=/tmp/wallet tacit account create --issuer "http://127.0.0.1:$issuer" --directory-key "$key" >/dev/null
chroot "$root" env TACIT_HOME=/tmp/wallet tacit account deposit "$code"
chroot "$root" env TACIT_HOME=/tmp/wallet tacit ask --model tacit-demo 'Does the package work?' </dev/null | head -n 3

for reader in signer issuer gateway; do
  for owner in signer issuer gateway; do
    [ "$reader" = "$owner" ] && continue
    if chroot --userspec="tacit-$reader:tacit-$reader" "$root" sh -c "cat /etc/tacit/keys/$owner/* /var/lib/tacit/$owner/*" >/dev/null 2>&1; then
      echo "tacit-$reader can read what is the $owner's" >&2
      exit 1
    fi
  done
done
echo 'no role can read what is another'"'"'s'
for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
wait
pids=()
chroot "$root" dpkg --purge tacit 2>&1 | tail -n 3
