#!/usr/bin/env bash
# wireguard.sh FOLDER CENTRE@ENDPOINT NAME@ENDPOINT…: makes a private network in the form of a star, around the gateway's machine: a key pair for each machine, a
# shared key for each connection (so that recording it now and breaking curves later gains nothing), and a file for wg-quick each, FOLDER/NAME.conf.
#
#   deploy/network/wireguard.sh /root/wg router@192.0.2.1 h1@192.0.2.11 h2@192.0.2.12
#   install -m600 /root/wg/router.conf /etc/wireguard/wg0.conf && systemctl enable --now wg-quick@wg0
#
# The centre is PREFIX.1, the others PREFIX.11, .12 … (PREFIX: 10.73.0; WG_PORT: 51820). Where the kernel has no WireGuard, wg-quick takes wireguard-go.
# What is there stays: run it again with one machine more at the end. Bring each file to its machine over SSH, and remove it here.
set -euo pipefail
folder=${1:?FOLDER} centre=${2:?CENTRE@ENDPOINT}
shift 2
[ $# -gt 0 ] || { echo 'wireguard: name at least one machine beside the centre' >&2; exit 2; }
prefix=${PREFIX:-10.73.0} port=${WG_PORT:-51820}
command -v wg >/dev/null || { echo 'wireguard: wg is not here: install wireguard-tools' >&2; exit 2; }
for machine in "$centre" "$@"; do
  [[ $machine =~ ^[a-z0-9][a-z0-9-]*@[^@[:space:]]+$ ]] || { echo "wireguard: '$machine' is no NAME@ENDPOINT, a name being of a-z, 0-9 and -" >&2; exit 2; }
done
umask 077
mkdir -p "$folder/keys"
key() { # NAME: its private key, made once
  [ -s "$folder/keys/$1" ] || wg genkey >"$folder/keys/$1"
  cat "$folder/keys/$1"
}
shared() { [ -s "$folder/keys/$1.shared" ] || wg genpsk >"$folder/keys/$1.shared"; cat "$folder/keys/$1.shared"; }

name=${centre%@*}
{
  printf '[Interface]\nPrivateKey = %s\nAddress = %s.1/24\nListenPort = %s\n' "$(key "$name")" "$prefix" "$port"
  number=11
  for machine in "$@"; do
    printf '\n# %s\n[Peer]\nPublicKey = %s\nPresharedKey = %s\nAllowedIPs = %s.%s/32\nEndpoint = %s:%s\n' \
      "${machine%@*}" "$(key "${machine%@*}" | wg pubkey)" "$(shared "${machine%@*}")" "$prefix" "$number" "${machine#*@}" "$port"
    number=$((number + 1))
  done
} >"$folder/$name.conf"
number=11
for machine in "$@"; do
  # A machine knows the centre only: hosts do not reach each other.
  printf '[Interface]\nPrivateKey = %s\nAddress = %s.%s/24\nListenPort = %s\n\n# %s\n[Peer]\nPublicKey = %s\nPresharedKey = %s\nAllowedIPs = %s.1/32\nEndpoint = %s:%s\n' \
    "$(key "${machine%@*}")" "$prefix" "$number" "$port" "$name" "$(key "$name" | wg pubkey)" "$(shared "${machine%@*}")" "$prefix" "${centre#*@}" "$port" >"$folder/${machine%@*}.conf"
  number=$((number + 1))
done
echo "$folder/$name.conf and $# more"
