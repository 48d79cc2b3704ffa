#!/usr/bin/env bash
# One comment of archcalc's on a pull request: written once, then brought up to date.
set -euo pipefail

mark='<!-- archcalc -->'
body="$(printf '%s\n' "$mark"; head -c 64000 "$REPORT" | iconv -c -t utf-8)"
comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments"
mine="$(gh api --paginate "$comments" --jq ".[] | select(.body | startswith(\"$mark\")) | .id" | head -n 1)"
if [ -n "$mine" ]; then
  gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$mine" -f "body=$body"
else
  gh api --silent --method POST "$comments" -f "body=$body"
fi
