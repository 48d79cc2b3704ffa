#!/usr/bin/env bash
# One comment of archcalc's on a pull request: written once, then brought up to date.
set -euo pipefail

mark='<!-- archcalc -->'
body="$(printf '%s\n' "$mark"; head -c 64000 "$REPORT" | iconv -c -t utf-8)"
comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments"
# Anybody may begin a comment with the mark: ours is only what this token's own account wrote.
me="$(gh api graphql -f 'query={viewer{login}}' --jq .data.viewer.login)"
mine="$(gh api --paginate "$comments" \
  --jq ".[] | select(.user.login == \"$me\" and (.body | startswith(\"$mark\"))) | .id" | head -n 1)"
if [ -n "$mine" ]; then
  gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$mine" -f "body=$body"
else
  gh api --silent --method POST "$comments" -f "body=$body"
fi
