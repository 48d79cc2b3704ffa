#!/usr/bin/env bash
# The gate in GitHub Actions: annotations of `archcalc check`, a report in the step summary, and check's exit code.
# SPECS and ARGUMENTS hold one item a line, BASE a revision; all may be empty. No value is ever run as code.
set -uo pipefail

lines() { while IFS= read -r line; do [ -n "$line" ] && printf '%s\0' "$line"; done <<<"$1"; }
mapfile -d '' -t specs < <(lines "${SPECS:-}")
mapfile -d '' -t arguments < <(lines "${ARGUMENTS:-}")
report="${RUNNER_TEMP:-$(mktemp -d)}/archcalc.md"
base="${BASE:-${GITHUB_BASE_REF:+refs/remotes/origin/$GITHUB_BASE_REF}}"

# Adds what a command said on standard error to the report, in a fence longer than any run of backquotes inside.
add_errors() {
  [ -s "$report.errors" ] || return 0
  local fence
  fence="$(LC_ALL=C grep -ao '`*' "$report.errors" | LC_ALL=C sort | tail -n 1)\`\`\`"
  { printf '\n%s\n' "$fence"; cat "$report.errors"; printf '\n%s\n' "$fence"; } >>"$report"
}

# Says it in the log, too, where nothing in it is a command to the runner: specs and names of files may hold anything.
say_errors() {
  [ -s "$report.errors" ] || return 0
  local token
  token="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
  echo "::stop-commands::$token"
  cat "$report.errors"
  printf "\n::%s::\n" "$token"
}

against=()
[ -n "$base" ] && against=(--base "$base")

archcalc check "${against[@]}" "${arguments[@]}" --output-format github -- "${specs[@]}" 2>"$report.errors"
code=$?
say_errors

# The report is there before the gate shuts, whatever goes wrong with it.
archcalc check "${against[@]}" "${arguments[@]}" --output-format markdown -- "${specs[@]}" >"$report" 2>"$report.errors"
add_errors
if [ -n "$base" ]; then
  echo >>"$report"
  if ! archcalc diff "${against[@]}" --format markdown >>"$report" 2>"$report.errors"; then
    say_errors
    add_errors
    code=2
  fi
fi

cat "$report" >>"${GITHUB_STEP_SUMMARY:-/dev/stdout}"
{ echo "report=$report"; echo "exit-code=$code"; } >>"${GITHUB_OUTPUT:-/dev/null}"
exit "$code"
