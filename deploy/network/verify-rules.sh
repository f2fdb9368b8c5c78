#!/usr/bin/env bash
# verify-rules.sh [ROLE…]: loads the rules of each role in a network namespace of its own, with a neighbour on the public and on the private side, and tries
# the flows that must pass and those that must not. As root; touches nothing outside those namespaces, and takes them away again. A few seconds a role.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo 'verify-rules: run it as root' >&2; exit 2; }
for tool in ip nft timeout; do command -v "$tool" >/dev/null || { echo "verify-rules: $tool is not here" >&2; exit 2; }; done
roles=("$@")
[ ${#roles[@]} -gt 0 ] || roles=(gateway inference issuer signer relay)
if [ ${#roles[@]} -gt 1 ]; then
  for role in "${roles[@]}"; do "$0" "$role" & done
  failures=0
  for _ in "${roles[@]}"; do wait -n || failures=1; done
  exit $failures
fi
id=tv$$ failures=0
out=$(mktemp -d)
clean() { for ns in "$id-role" "$id-out" "$id-in"; do ip netns del "$ns" 2>/dev/null || true; done; }
trap 'clean; rm -rf "$out"' EXIT

# A packet that passes finds nobody listening and is refused at once, which is an answer; one that is dropped is answered by nothing. So nothing need listen.
tcp() { # NAMESPACE ADDRESS PORT SECONDS
  local said
  said=$(ip netns exec "$1" timeout "$4" bash -c "exec 3<>/dev/tcp/$2/$3" 2>&1) && return 0
  [[ $said == *refused* ]]
}
# The same of UDP: what passes is refused by the time the second datagram is written, what is dropped may not even be sent.
udp() {
  local said
  said=$(ip netns exec "$1" timeout "$4" bash -c "exec 3<>/dev/udp/$2/$3; while echo >&3; do sleep 0.1; done" 2>&1) || true
  [[ $said == *refused* ]]
}
answers() { case $3 in 123) udp "$@" ;; *) tcp "$@" ;; esac; }
must() { # pass|drop NAME NAMESPACE ADDRESS PORT: in the background, its word in a file
  local want=$1 name=$2
  shift 2
  {
    # What must pass may take long on a busy machine; what must not is given two seconds.
    if [ "$want" = pass ]; then answers "$@" "${PATIENCE:-30}" && echo "ok" || echo "FAILED: $role: $name is dropped"
    else answers "$@" 2 && echo "FAILED: $role: $name passes" || echo "ok"; fi
  } >"$out/$RANDOM$RANDOM" &
}

for role in "${roles[@]}"; do
  clean
  rm -f "$out"/*
  for ns in role out in; do ip netns add "$id-$ns"; ip -n "$id-$ns" link set lo up; done
  ip -n "$id-role" link add eth0 type veth peer name eth0 netns "$id-out"
  ip -n "$id-role" link add wg0 type veth peer name wg0 netns "$id-in"
  # Every address that a rule names is at the neighbours, beside others that none names.
  case $role in gateway) own=10.73.0.1 ;; signer) own=10.73.0.2 ;; issuer) own=10.73.0.3 ;; inference) own=10.73.0.11 ;; *) own=10.73.0.4 ;; esac
  ip -n "$id-role" addr add 192.0.2.1/24 dev eth0
  ip -n "$id-role" addr add "$own/24" dev wg0
  for address in 192.0.2.99 192.0.2.50; do ip -n "$id-out" addr add "$address/24" dev eth0; done
  for address in 10.73.0.1 10.73.0.2 10.73.0.3 10.73.0.11 10.73.0.66; do [ "$address" = "$own" ] || ip -n "$id-in" addr add "$address/24" dev wg0; done
  for ns in role out; do ip -n "$id-$ns" link set eth0 up; done
  for ns in role in; do ip -n "$id-$ns" link set wg0 up; done
  RELAYED=192.0.2.50 "$here/rules.sh" "$role" | ip netns exec "$id-role" nft -f -

  from() { ip -n "$id-in" route replace "$own/32" dev wg0 src "$1"; }
  case $role in
    gateway | issuer | relay) must pass 'its public port' "$id-out" 192.0.2.1 443 ;;
    *) must drop 'a public port' "$id-out" 192.0.2.1 443 ;;
  esac
  for port in 22 8224 8225 8226 8227 8443 5432; do must drop "port $port from outside" "$id-out" 192.0.2.1 "$port"; done
  case $role in
    gateway)
      must pass 'an inference host' "$id-role" 10.73.0.11 8443
      must drop 'another port of an inference host' "$id-role" 10.73.0.11 22
      must pass 'the signer' "$id-role" 10.73.0.2 8227
      must drop 'another private machine' "$id-role" 10.73.0.66 8443
      must pass 'a provider' "$id-role" 192.0.2.99 443
      must pass 'a name server' "$id-role" 192.0.2.99 53
      must pass 'a time server' "$id-role" 192.0.2.99 123
      must drop 'mail' "$id-role" 192.0.2.99 25
      must drop 'plain HTTP out' "$id-role" 192.0.2.99 80
      ;;
    issuer)
      must pass 'the signer' "$id-role" 10.73.0.2 8227
      must drop 'the inference host' "$id-role" 10.73.0.11 8443
      must drop 'the gateway' "$id-role" 10.73.0.1 443
      must pass 'a payment provider' "$id-role" 192.0.2.99 443
      must pass 'a time server' "$id-role" 192.0.2.99 123
      ;;
    inference | signer)
      for port in 53 80 123 443; do must drop "port $port out" "$id-role" 192.0.2.99 "$port"; done
      must drop 'a private machine' "$id-role" 10.73.0.1 443
      ;;
    relay)
      must pass 'its gateway' "$id-role" 192.0.2.50 443
      must drop 'any other server' "$id-role" 192.0.2.99 443
      must pass 'a time server' "$id-role" 192.0.2.99 123
      ;;
  esac
  # From the private side, as one machine after the other.
  case $role in
    inference) port=8443 passing='10.73.0.1' dropped='10.73.0.2 10.73.0.3 10.73.0.66' ;;
    signer) port=8227 passing='10.73.0.1 10.73.0.3' dropped='10.73.0.11 10.73.0.66' ;;
    *) port=443 passing='' dropped='10.73.0.66' ;;
  esac
  [ "$role" != relay ] || dropped=''
  wait
  for address in $passing; do from "$address"; must pass "port $port from $address" "$id-in" "$own" "$port"; wait; done
  for address in $dropped; do from "$address"; must drop "port $port from $address" "$id-in" "$own" "$port"; wait; done
  bad=$(cat "$out"/* | grep -v '^ok$' || true)
  [ -z "$bad" ] || { echo "$bad"; failures=1; }
  printf '%-10s %s flows as wanted\n' "$role" "$(cat "$out"/* | grep -c '^ok$')"
done
exit $failures
