#!/bin/sh
# Runs a command with the project's own Node first in PATH, after installing what is missing: the npm packages, the
# generated schema, and with --test-tools the programs that the tests drive. Needs only a POSIX shell, Node and npm.
set -eu
cd "$(dirname "$0")/.."

test_tools=no
if [ "${1:-}" = --test-tools ]; then
  test_tools=yes
  shift
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "installing npm packages" >&2
  npm ci --no-fund --no-audit --loglevel=error >&2
  touch node_modules/.package-lock.json
fi

PATH="$PWD/node_modules/.bin:$PWD/.tools/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

node scripts/build-schema.ts >&2
if [ "$test_tools" = yes ]; then
  node scripts/install-tools.ts --test >&2
else
  node scripts/install-tools.ts >&2
fi
exec "$@"
