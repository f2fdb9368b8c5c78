#!/usr/bin/env bash
# certificates.sh ca FOLDER                                       makes a private authority (P-256, a year)
# certificates.sh issue FOLDER NAME server|client [ADDRESS…]      issues NAME a certificate of DAYS days (2), for these addresses or names
# certificates.sh renew FOLDER [COMMAND]                          renews each that has lived half its time, then runs COMMAND NAME CERTIFICATE KEY
#
# Where COMMAND fails, the others are brought all the same, the end is a failure, and the next run brings that one again (FOLDER/NAME.waiting says so).
# FOLDER/NAME.crt and NAME.key are swapped whole, key first; who reads them in between has a pair that doesn't fit and tries again. A key is made anew each time.
# With certificates of two days nobody needs a list of those revoked: who is not to have one any more is removed from FOLDER/names.
# A timer does this: inference-certificates.timer. COMMAND brings the files to their machine, and has nginx reload; Tacit's own roles see for themselves.
set -euo pipefail
umask 077
usage() { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
# A key that is not finished is not left behind.
next=''
trap '[ -z "$next" ] || rm -rf "$next"' EXIT
action=${1:-} folder=${2:-}
[ -n "$folder" ] || usage
days=${DAYS:-2}

issue() { # NAME server|client [ADDRESS…]
  local name=$1 kind=$2 use alternative=''
  shift 2
  case $kind in server) use=serverAuth ;; client) use=clientAuth ;; *) usage ;; esac
  for address in "$@"; do
    if [[ $address =~ ^[0-9.]+$ || $address == *:* ]]; then alternative+=",IP:$address"; else alternative+=",DNS:$address"; fi
  done
  next=$(mktemp -d "$folder/.next.XXXXXX")
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" -keyout "$next/key" -out "$next/csr" 2>/dev/null
  {
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\nsubjectAltName=%s\n' "$use" "${alternative:+${alternative#,},}DNS:$name"
  } >"$next/extensions"
  openssl x509 -req -in "$next/csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -set_serial "0x$(openssl rand -hex 16)" -days "$days" -sha256 \
    -extfile "$next/extensions" -out "$next/crt" 2>/dev/null
  mv "$next/key" "$folder/$name.key"
  mv "$next/crt" "$folder/$name.crt"
  rm -r "$next"
  next=''
}

case $action in
  ca)
    mkdir -p "$folder"
    [ ! -e "$folder/ca.key" ] || { echo "certificates: there is an authority in $folder" >&2; exit 1; }
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=Tacit private authority" \
      -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign -keyout "$folder/ca.key" -out "$folder/ca.crt" 2>/dev/null
    touch "$folder/names"
    ;;
  issue)
    shift 2
    [ $# -ge 2 ] || usage
    [[ $1 =~ ^[a-z0-9][a-z0-9-]*$ && $1 != ca ]] || { echo "certificates: a name is of a-z, 0-9 and -" >&2; exit 2; }
    issue "$@"
    { grep -v "^$1 " "$folder/names" || true; echo "$*"; } >"$folder/names.next"
    mv "$folder/names.next" "$folder/names"
    ;;
  renew)
    # Half the life left, or renewed whatever is left (FORCE=1).
    failed=0
    while read -r name kind addresses; do
      if [ -n "${FORCE:-}" ] || ! openssl x509 -in "$folder/$name.crt" -noout -checkend $((days * 43200)) >/dev/null 2>&1; then
        [ -z "${3:-}" ] || touch "$folder/$name.waiting"
        # shellcheck disable=SC2086 # a list of addresses
        issue "$name" "$kind" $addresses
        echo "renewed $name until $(openssl x509 -in "$folder/$name.crt" -noout -enddate | cut -d= -f2)"
      fi
      if [ -n "${3:-}" ] && [ -e "$folder/$name.waiting" ]; then
        if "$3" "$name" "$folder/$name.crt" "$folder/$name.key" </dev/null; then rm "$folder/$name.waiting"
        else echo "certificates: that of $name did not reach its machine; the next run brings it again" >&2; failed=1; fi
      fi
    done <"$folder/names"
    openssl x509 -in "$folder/ca.crt" -noout -checkend 2592000 >/dev/null || echo "certificates: the authority itself ends in less than a month: make a new one, and give both to all (ca.crt may hold two)" >&2
    exit $failed
    ;;
  *) usage ;;
esac
