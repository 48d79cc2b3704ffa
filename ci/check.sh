#!/usr/bin/env bash
# The gate in GitHub Actions: annotations of `archcalc check`, a report in the step summary, and check's exit code.
# SPECS and ARGUMENTS hold one item a line, BASE a revision; all may be empty. No value is ever run as code.
set -uo pipefail

lines() { while IFS= read -r line; do [ -n "$line" ] && printf '%s\0' "$line"; done <<<"$1"; }
mapfile -d '' -t specs < <(lines "${SPECS:-}")
mapfile -d '' -t arguments < <(lines "${ARGUMENTS:-}")
report="${RUNNER_TEMP:-$(mktemp -d)}/archcalc.md"
base="${BASE:-${GITHUB_BASE_REF:+origin/$GITHUB_BASE_REF}}"

# Adds what a command said on standard error to the report, in a fence longer than any run of backquotes inside.
add_errors() {
  [ -s "$report.errors" ] || return 0
  local fence
  fence="$(grep -o '`*' "$report.errors" | sort | tail -n 1)\`\`\`"
  printf '\n%s\n' "$fence" >>"$report"
  cat "$report.errors" >>"$report"
  printf '%s\n' "$fence" >>"$report"
}

against=()
[ -n "$base" ] && against=(--base "$base")

archcalc check "${against[@]}" "${arguments[@]}" --output-format github -- "${specs[@]}"
code=$?

# The report is there before the gate shuts, whatever goes wrong with it.
archcalc check "${against[@]}" "${arguments[@]}" --output-format markdown -- "${specs[@]}" >"$report" 2>"$report.errors"
add_errors
if [ -n "$base" ]; then
  echo >>"$report"
  if ! archcalc diff "${against[@]}" --format markdown >>"$report" 2>"$report.errors"; then
    cat "$report.errors" >&2
    add_errors
    code=2
  fi
fi

cat "$report" >>"${GITHUB_STEP_SUMMARY:-/dev/stdout}"
{ echo "report=$report"; echo "exit-code=$code"; } >>"${GITHUB_OUTPUT:-/dev/null}"
exit "$code"
