#!/usr/bin/env bash
# try-network.sh PROGRAM: lays out a router and two inference hosts in network namespaces, joins them by WireGuard under the rules of rules.sh, puts mutual TLS
# between them, runs signer, issuer and gateway at the router, and asks questions while hosts die and certificates are renewed. As root; takes all of it away.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "${1:?PROGRAM}")
[ "$(id -u)" = 0 ] || { echo 'try-network: run it as root' >&2; exit 2; }
PATH=$PATH:/usr/sbin:/sbin
for tool in ip nft wg wg-quick nginx openssl curl; do command -v "$tool" >/dev/null || { echo "try-network: $tool is not here" >&2; exit 2; }; done

work=$(mktemp -d)
chmod 755 "$work"
id=tn$(($$ % 100000)) pids=()
clean() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for host in h1 h2; do [ ! -s "$work/$host/nginx.pid" ] || kill "$(cat "$work/$host/nginx.pid")" 2>/dev/null || true; done
  # wireguard-go ends with its interface.
  for ns in router h1 h2; do
    ip -n "$id-$ns" link del "$id-$ns" 2>/dev/null || rm -f "/run/wireguard/$id-$ns.sock"
    ip netns del "$id-$ns" 2>/dev/null || true
  done
  ip netns del "$id-net" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' INT TERM
fail() { echo "FAILED: $*" >&2; tail -n 5 "$work"/{signer,issuer,gateway,app}.log >&2 2>/dev/null || true; exit 1; }
at() { local ns=$1; shift; ip netns exec "$id-$ns" "$@"; }

# One public network; each machine on it by a cable.
ip netns add "$id-net"
ip -n "$id-net" link add net type bridge
ip -n "$id-net" link set net up
ip -n "$id-net" addr add 192.0.2.99/24 dev net
cable() { # NAMESPACE ADDRESS
  ip netns add "$id-$1"
  ip -n "$id-$1" link set lo up
  ip -n "$id-$1" link add eth0 type veth peer name "to-$1" netns "$id-net"
  ip -n "$id-net" link set "to-$1" master net up
  ip -n "$id-$1" addr add "$2/24" dev eth0
  ip -n "$id-$1" link set eth0 up
}
cable router 192.0.2.1
cable h1 192.0.2.11
cable h2 192.0.2.12

"$here/network/wireguard.sh" "$work/wg" router@192.0.2.1 h1@192.0.2.11 h2@192.0.2.12 >/dev/null
for ns in router h1 h2; do
  # One machine, one place for wireguard-go's sockets: so the interfaces have different names.
  mv "$work/wg/$ns.conf" "$work/wg/$id-$ns.conf"
  LOG_LEVEL=error at "$ns" wg-quick up "$work/wg/$id-$ns.conf" >"$work/wg-$ns.log" 2>&1 || { cat "$work/wg-$ns.log" >&2; fail "WireGuard at $ns"; }
  case $ns in router) role=gateway ;; *) role=inference ;; esac
  PRIVATE=$id-$ns WG_PEERS=192.0.2.0/24 INFERENCE=10.73.0.11,10.73.0.12 PUBLIC_PORT=8226 "$here/network/rules.sh" "$role" | at "$ns" nft -f - || fail "the rules at $ns"
done
kind=$(at router readlink -f "/sys/class/net/$id-router" | grep -q virtual && [ -S "/run/wireguard/$id-router.sock" ] && echo wireguard-go || echo "the kernel's WireGuard")
if at router timeout 2 bash -c 'exec 3<>/dev/tcp/10.73.0.11/22' 2>/dev/null; then fail 'the rules let through what nobody allowed'; fi
echo "joined by $kind, under the rules of each role"

# Certificates, and a model on each host that says where it is and whom it sees.
authority=$work/authority
"$here/network/certificates.sh" ca "$authority"
"$here/network/certificates.sh" issue "$authority" router client
number=11
for host in h1 h2; do
  "$here/network/certificates.sh" issue "$authority" $host server 10.73.0.$number
  mkdir -p "$work/$host/tls"
  {
    echo "daemon on; pid $work/$host/nginx.pid; error_log /dev/null; worker_processes 1; events {} http {"
    for kind in body proxy fastcgi uwsgi scgi; do case $kind in body) echo "client_body_temp_path $work/$host;" ;; *) echo "${kind}_temp_path $work/$host;" ;; esac; done
    # shellcheck disable=SC2016 # $ssl_client_serial is nginx's
    sed -e "s#10.73.0.11:8443#10.73.0.$number:8443#; s#/etc/tacit/tls/#$work/$host/tls/#" "$here/nginx/inference.conf" |
      sed -e '/location/,/^    }/d' -e 's#^}$##'
    cat <<NGINX
    default_type application/json;
    location /v1/models { return 200 '{"object":"list","data":[{"id":"m","object":"model"}]}'; }
    location /v1/chat/completions {
      default_type text/event-stream;
      return 200 'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"$host saw \$ssl_client_serial"},"finish_reason":null}]}\n\ndata: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';
    }
} }
NGINX
  } >"$work/$host/nginx.conf"
  number=$((number + 1))
done
cat >"$work/bring" <<BRING
#!/bin/sh
# What brings a renewed pair to its machine: here all are one.
set -e
case \$1 in
  router) cp "\$3" "$work/router.key.next"; mv "$work/router.key.next" "$work/router.key"; cp "\$2" "$work/router.crt.next"; mv "$work/router.crt.next" "$work/router.crt" ;;
  *)
    cp "\$2" "$work/\$1/tls/host.crt"; cp "\$3" "$work/\$1/tls/host.key"; cp "$authority/ca.crt" "$work/\$1/tls/ca.crt"
    [ ! -s "$work/\$1/nginx.pid" ] || kill -HUP "\$(cat "$work/\$1/nginx.pid")"
    ;;
esac
BRING
chmod +x "$work/bring"
for name in router h1 h2; do "$work/bring" $name "$authority/$name.crt" "$authority/$name.key"; done
start_host() { at "$1" nginx -p "$work/$1" -c "$work/$1/nginx.conf" || fail "nginx at $1"; }
stop_host() { # At once, as by a loss of power.
  workers=$(cat "/proc/$(cat "$work/$1/nginx.pid")/task/$(cat "$work/$1/nginx.pid")/children")
  # shellcheck disable=SC2086 # a list of processes
  kill -KILL "$(cat "$work/$1/nginx.pid")" $workers
  rm "$work/$1/nginx.pid"
}
start_host h1
start_host h2
got() { at router curl -s -m 20 -o /dev/null -w '%{http_code}' --cacert "$authority/ca.crt" "$@" || true; }
[ "$(got --cert "$work/router.crt" --key "$work/router.key" https://10.73.0.11:8443/v1/models)" = 200 ] || fail 'the router is not let in with its certificate'
[ "$(got https://10.73.0.11:8443/v1/models)" = 400 ] || fail 'somebody without a certificate is let in'
[ "$(got --cert "$authority/h2.crt" --key "$authority/h2.key" https://10.73.0.11:8443/v1/models)" = 400 ] || fail 'a server'"'"'s certificate is taken for a client'"'"'s'
if at net timeout 2 bash -c 'exec 3<>/dev/tcp/192.0.2.11/8443' 2>/dev/null; then fail 'a host answers in public'; fi
if at h2 timeout 2 bash -c 'exec 3<>/dev/tcp/10.73.0.11/8443' 2>/dev/null; then fail 'one host reaches the other'; fi
echo 'mutual TLS: the router is let in; without a certificate, or with one of another use, nobody is; hosts answer neither in public nor each other'

# The roles, at the router.
umask 077
openssl rand -base64 32 >"$work/key"
plans='[{ "Id": "chat", "Models": ["m"], "MaxInputBytes": 262144, "MaxOutputTokens": 4096, "Price": 1, "Period": "month" }]'
signer="{ \"Address\": \"unix:$work/signer/signer-internal.sock\", \"Key\": \"file:$work/key\" }"
backend() { echo "{ \"Name\": \"$1\", \"BaseUrl\": \"https://10.73.0.$2:8443/v1\", \"Models\": { \"m\": \"m\" }, \"Tls\": { \"CaFile\": \"$authority/ca.crt\", \"ClientCertificate\": \"$work/router.crt\", \"ClientKey\": \"file:$work/router.key\" }, \"Budgets\": { \"Connect\": \"00:00:03\" } }"; }
echo "{ \"KeyFile\": \"file:$work/key\", \"InternalKey\": \"file:$work/key\", \"Plans\": $plans }" >"$work/signer.json"
echo "{ \"KeyFile\": \"file:$work/key\", \"IssuerName\": \"issuer.test\", \"Signer\": $signer, \"Gateways\": [{ \"Name\": \"gateway.test\", \"Urls\": [\"http://127.0.0.1:8226\"] }], \"Plans\": $plans }" >"$work/issuer.json"
start_role() { # ROLE: until it is ready
  (umask 077; ulimit -c 0; exec ip netns exec "$id-router" "$program" "$1" --config "$work/$1.json" --data "$work/$1" --json >"$work/$1.out" 2>"$work/$1.log") &
  pids+=($!)
  until [ -s "$work/$1.out" ]; do kill -0 "${pids[-1]}" 2>/dev/null || fail "the $1 does not start"; sleep 0.1; done
}
start_role signer
start_role issuer
directory=$(sed -n 's/.*"directoryKey":"\([^"]*\)".*/\1/p' "$work/issuer.out")
echo "{ \"Name\": \"gateway.test\", \"IssuerUrl\": \"http://127.0.0.1:8225\", \"DirectoryKey\": \"$directory\", \"Signer\": $signer, \"Inference\": { \"Backends\": [$(backend h1 11), $(backend h2 12)] } }" >"$work/gateway.json"
start_role gateway
gateway=${pids[-1]}
export TACIT_HOME=$work/wallet
code=$(at router "$program" voucher create --credits 1000 --data "$work/issuer" 2>/dev/null | tail -n 1)
at router "$program" account create --issuer http://127.0.0.1:8225 --directory-key "$directory" >/dev/null 2>&1
at router "$program" account deposit "$code" >/dev/null 2>&1
at router "$program" wallet fill >/dev/null 2>&1 || true
# Not by at(): the shell that a function runs in behind & would be what is ended, and the app go on without it.
(exec ip netns exec "$id-router" "$program" app --listen 127.0.0.1:8224 --json >"$work/app.out" 2>"$work/app.log") &
pids+=($!)
until [ -s "$work/app.out" ]; do kill -0 "${pids[-1]}" 2>/dev/null || fail 'the app does not start'; sleep 0.1; done

ask() { # Prints HOST and SERIAL. A question that fails ends all: none may be lost.
  local said
  echo >>"$work/asked"
  said=$(at router curl -s -N -m 60 http://127.0.0.1:8224/v1/chat/completions -H 'content-type: application/json' \
    -d "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"question $RANDOM$RANDOM\"}]}")
  sed -n 's/.*"content":"\(h[12]\) saw \([0-9A-F]*\)".*/\1 \2/p' <<<"$said" | grep . || { echo "$said" >&2; return 1; }
}
serial() { openssl x509 -in "$work/router.crt" -noout -serial | cut -d= -f2; }
first=$(serial)
answer=$(ask) || fail 'no answer through the whole path'
[ "${answer#* }" = "$first" ] || fail "the host saw another certificate: $answer, not $first"
echo "a question went through: ${answer% *} answered"

one=${answer% *}
case $one in h1) other=h2 ;; *) other=h1 ;; esac
stop_host "$one"
for _ in 1 2 3 4 5; do answer=$(ask) || fail "a question was lost when $one died"; [ "${answer% *}" = "$other" ] || fail "$one answered, dead"; done
echo "$one died: five questions, all answered by $other"

# Renewed while questions are asked: all three certificates, by what the timer runs.
FORCE=1 "$here/network/certificates.sh" renew "$authority" "$work/bring" | grep -c renewed | grep -qx 3 || fail 'not all were renewed'
"$here/network/certificates.sh" renew "$authority" "$work/bring" | grep renewed && fail 'fresh certificates were renewed again'
second=$(serial)
[ "$first" != "$second" ] || fail 'the router'"'"'s certificate is the same'
start_host "$one"
for _ in $(seq 240); do
  answer=$(ask) || fail 'a question was lost while certificates were renewed'
  [ "${answer#* }" != "$second" ] || break
  sleep 0.25
done
[ "${answer#* }" = "$second" ] || fail 'the gateway still shows its old certificate'
shown() { at router timeout 20 openssl s_client -connect "$1" -CAfile "$authority/ca.crt" </dev/null 2>/dev/null | openssl x509 -noout -serial; }
[ "$(shown 10.73.0.12:8443)" = "$(openssl x509 -in "$authority/h2.crt" -noout -serial)" ] || fail 'a host still shows its old certificate'
kill -0 "$gateway" || fail 'the gateway is gone'
echo 'certificates renewed on all three, nothing restarted, no question lost'

# One that was dead is left alone for a while, longer each time: wait until it is asked again.
for _ in $(seq 480); do
  answer=$(ask) || fail "a question was lost while $one came back"
  [ "${answer% *}" != "$one" ] || break
  sleep 0.25
done
[ "${answer% *}" = "$one" ] || fail "$one is never asked again"
stop_host "$other"
for _ in $(seq 240); do
  answer=$(ask) || fail "a question was lost when $other died"
  [ "${answer% *}" != "$one" ] || break
done
[ "${answer% *} ${answer#* }" = "$one $second" ] || fail "$one did not take over again"
echo "$other died, $one is back: $(wc -l <"$work/asked") questions asked, each answered"
