#!/bin/sh
# Runs a command with the project's own Node first in PATH, after installing what is missing: the npm packages, the
# generated schema, and the programs of a node's sandbox; with --test-tools also those that the tests drive. Needs a POSIX
# shell, Node and npm of any age that still runs, and a network the first time. All of it stays in this folder.
set -eu
cd "$(dirname "$0")/.."

tools=
if [ "${1:-}" = --test-tools ]; then
  tools=--test
  shift
fi

# What is installed is known by a copy of the lock file: its date says little after a checkout.
installed=node_modules/.installed-lock.json
if ! cmp -s package-lock.json "$installed" && [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  echo "installing npm packages" >&2
  if ! npm ci >&2; then
    echo "causeway: the npm packages could not be installed; the first run needs npm and a network" >&2
    exit 1
  fi
  cp package-lock.json "$installed"
fi

PATH="$PWD/node_modules/.bin:$PWD/.tools/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

if ! node -e 'process.exit(process.versions.node.split(".")[0] >= 24 ? 0 : 1)'; then
  echo "causeway: Node 24 or later is needed, and $(command -v node) is $(node --version)" >&2
  exit 1
fi
node scripts/build-schema.ts >&2
node scripts/install-tools.ts $tools
exec "$@"
