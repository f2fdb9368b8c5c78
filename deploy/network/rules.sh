#!/usr/bin/env bash
# rules.sh ROLE: prints nftables rules for a machine that runs one role: gateway, inference, issuer, signer or relay. What is not named is dropped, both ways.
#
#   deploy/network/rules.sh gateway >/etc/nftables.conf && nft -c -f /etc/nftables.conf && systemctl reload nftables
#
# Settings, from the environment:
#   PRIVATE      the WireGuard interface (wg0), WG_PORT its UDP port (51820), WG_PEERS the public addresses of its other ends (0.0.0.0/0)
#   GATEWAYS, ISSUERS, INFERENCE, SIGNERS   private addresses of the machines of each role, with commas (10.73.0.1 …)
#   PUBLIC_PORT  where gateway, issuer and relay answer (443); INFERENCE_PORT 8443, SIGNER_PORT 8227
#   ADMINS       from where SSH is taken (none), RESOLVERS which name servers are asked (0.0.0.0/0), RELAYED the public addresses of a relay's gateways
#   CLOCKS       which NTP servers are asked for the time: gateway, issuer and relay any (0.0.0.0/0); inference and signer none unless named, such as the gateway's
#                machine (10.73.0.1) where that answers. All need a clock that is right: certificates live two days, sealed requests 90 seconds
set -euo pipefail
role=${1:?ROLE}
private=${PRIVATE:-wg0} wg_port=${WG_PORT:-51820} wg_peers=${WG_PEERS:-0.0.0.0/0} public=${PUBLIC_PORT:-443}
gateways=${GATEWAYS:-10.73.0.1} inference=${INFERENCE:-10.73.0.11} signers=${SIGNERS:-10.73.0.2} issuers=${ISSUERS:-10.73.0.3}
inference_port=${INFERENCE_PORT:-8443} signer_port=${SIGNER_PORT:-8227} resolvers=${RESOLVERS:-0.0.0.0/0} relayed=${RELAYED:-}
clocks=${CLOCKS:-}
case $role in gateway | issuer | relay) clocks=${clocks:-0.0.0.0/0} ;; esac

in='' out=''
take() { in+="    $*"$'\n'; }
give() { out+="    $*"$'\n'; }
wireguard() {
  take "ip saddr { $wg_peers } udp dport $wg_port accept"
  give "ip daddr { $wg_peers } udp dport $wg_port accept"
}
names() { give "ip daddr { $resolvers } meta l4proto { tcp, udp } th dport 53 accept"; }

case $role in
  gateway)
    take "iifname != \"$private\" tcp dport $public accept"
    wireguard
    # Its own models and the signer, over WireGuard; providers and the issuer's directory, in public. Nothing private is reached unencrypted.
    give "oifname \"$private\" ip daddr { $inference } tcp dport $inference_port accept"
    give "oifname \"$private\" ip daddr { $signers } tcp dport $signer_port accept"
    names
    give "oifname != \"$private\" tcp dport 443 accept"
    ;;
  inference)
    # It answers gateways and asks nobody, not even for a name: a model that is made to talk has nobody to talk to.
    wireguard
    take "iifname \"$private\" ip saddr { $gateways } tcp dport $inference_port accept"
    ;;
  signer)
    wireguard
    take "iifname \"$private\" ip saddr { $gateways, $issuers } tcp dport $signer_port accept"
    ;;
  issuer)
    take "iifname != \"$private\" tcp dport $public accept"
    wireguard
    give "oifname \"$private\" ip daddr { $signers } tcp dport $signer_port accept"
    names
    # Payment providers.
    give "oifname != \"$private\" tcp dport 443 accept"
    ;;
  relay)
    take "tcp dport $public accept"
    names
    [ -n "$relayed" ] || { echo 'rules: RELAYED is empty: a relay has to reach its gateways' >&2; exit 2; }
    give "ip daddr { $relayed } tcp dport 443 accept"
    ;;
  *) echo "rules: there is no role '$role': gateway, inference, issuer, signer or relay" >&2; exit 2 ;;
esac
[ -z "${ADMINS:-}" ] || take "ip saddr { $ADMINS } tcp dport 22 accept"

[ -z "$clocks" ] || give "ip daddr { $clocks } udp dport 123 accept"

# Nothing is logged: a dropped packet has an address in it.
cat <<RULES
#!/usr/sbin/nft -f
# Tacit: a machine that runs a $role. Made by deploy/network/rules.sh.
table inet tacit
delete table inet tacit
table inet tacit {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state invalid drop
    ct state established,related accept
    iif lo accept
    ip protocol icmp icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
    icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem, nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
$in  }
  chain output {
    type filter hook output priority filter; policy drop;
    ct state established,related accept
    oif lo accept
    ip protocol icmp icmp type { destination-unreachable, time-exceeded, parameter-problem } accept
    icmpv6 type { destination-unreachable, packet-too-big, nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept
$out  }
  chain forward {
    type filter hook forward priority filter; policy drop;
  }
}
RULES
