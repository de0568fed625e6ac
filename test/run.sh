#!/usr/bin/env bash
# Runs the compiled tests; arguments go to ava (for example a file under dist/test).
set -o pipefail
cd "$(dirname "$0")/.." || exit 1
npx ava --tap "$@" | node test/tap-summary.mjs
