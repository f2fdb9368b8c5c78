#!/usr/bin/env bash
# test.sh [NAME…]: runs the built test projects (or those named, as in `test.sh Storage.Tests`), two at a time, and ends with the totals of their
# trx files. Fails if a test fails, if a project does not come to an end, or if nothing ran.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
results=$PWD/artifacts/tests
[ -x artifacts/node/bin/node ] && PATH=$PWD/artifacts/node/bin:$PATH
configuration=${CONFIGURATION:-Release}
limit=1200
[ "${TACIT_SOAK:-}" = 1 ] && limit=28800
rm -rf "$results" && mkdir -p "$results"

# counts FILE: passed, failed and skipped results in one trx file. The <Counters> element leaves skipped tests out, so results are counted one by one.
counts() {
  awk 'BEGIN { RS = "<" } /^UnitTestResult / { if (/outcome="Passed"/) p++; else if (/outcome="NotExecuted"/) s++; else f++ } END { print p + 0, f + 0, s + 0 }' "$1" 2>/dev/null || echo 0 0 0
}

run_project() {
  local name=$1 dll log=$results/$1.log started=$SECONDS code p f s
  dll=$(compgen -G "tests/$name/bin/$configuration/net10.0/Tacit.*.dll" | grep -F "/Tacit.$name.dll" | head -n 1)
  if [ -z "$dll" ]; then
    echo "  $name: not built"
    echo "0 1 0" >"$results/$name.counts"
    return
  fi

  echo "  $name …"
  timeout -k 10 "$limit" dotnet test "$dll" --nologo --logger "trx;LogFileName=$name.trx" --logger 'console;verbosity=minimal' --results-directory "$results" >"$log" 2>&1
  code=$?
  read -r p f s < <(counts "$results/$name.trx")

  # A project that crashed, hung or holds no test has failed, even where its results do not say so.
  if [ "$f" = 0 ] && { [ $code != 0 ] || [ $((p + s)) = 0 ]; }; then
    f=1
    [ $code = 124 ] && echo "stopped after $limit s" >>"$log"
    [ $code = 0 ] && echo 'no tests ran' >>"$log"
  fi

  echo "$p $f $s" >"$results/$name.counts"

  # In one write: the other lane prints too.
  local report="  $name: $p passed, $f failed, $s skipped ($((SECONDS - started)) s)"
  [ "$f" = 0 ] || report+=$'\n'$(sed 's/^/    /' "$log")
  printf '%s\n' "$report"
}

# The longest first, so that the two lanes end at about the same time.
order() {
  for name in EndToEnd Browser Inference.Tests Gateway.Tests Client.Tests Issuer.Tests Crypto.Tests; do
    [ -d "tests/$name" ] && echo "$name"
  done
  # The fuzzer is a program; Protocol.Tests runs its targets.
  grep -L '<IsTestProject>false' tests/*/*.csproj | while read -r project; do basename "$(dirname "$project")"; done
}

if [ $# -gt 0 ]; then names=("$@"); else mapfile -t names < <(order | awk '!seen[$0]++'); fi
echo "testing ${#names[@]} projects ($configuration) …"
for name in "${names[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
  run_project "$name" &
done
wait

# What failed, once more, where a reader of the last lines finds it.
for log in "$results"/*.log; do
  sed -n '/^ *Failed Tacit\./,/^ *Stack Trace:/{/Stack Trace:/d;/Error Message:/d;p}' "$log" | cut -c 1-300 | head -n 60
done

cat "$results"/*.counts | awk -v seconds=$SECONDS -v file="$results/summary" '
  { p += $1; f += $2; s += $3 }
  END {
    line = (p + 0) " passed, " (f + 0) " failed, " (s + 0) " skipped"
    print line > file
    print line " in " seconds " s"
    exit (f > 0 || p == 0)
  }'
