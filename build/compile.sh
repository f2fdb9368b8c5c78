#!/usr/bin/env bash
# compile.sh PROJECT SECONDS: builds quietly, but shows that it is at it; SECONDS is what a first build takes on two cores. Errors are printed in full.
set -euo pipefail
cd "$(dirname "$0")/.."
project=$1 expected=$2
mkdir -p artifacts
log=artifacts/build.log
first=''
[ -d src/Storage/obj ] || first=" (the first time takes about $expected s)"
printf 'building %s%s …' "$(basename "$project" .csproj)" "$first"

# To a file: compiler processes that outlive the build must not hold on to our output.
dotnet build "$project" -c "${CONFIGURATION:-Release}" --nologo -v minimal -clp:NoSummary >"$log" 2>&1 &
build=$!
trap 'kill $build 2>/dev/null || true' INT TERM
while kill -0 $build 2>/dev/null; do
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.2
    kill -0 $build 2>/dev/null || break
  done
  printf '.'
done
if wait $build; then
  printf ' done in %s s\n' "$SECONDS"
  grep -oE '[A-Za-z.]+ is built without its page: .*' "$log" | sort -u || true
else
  printf ' failed\n'
  grep -E 'error|warning' "$log" | sort -u >&2 || cat "$log" >&2
  exit 1
fi
