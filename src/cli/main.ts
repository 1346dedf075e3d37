#!/usr/bin/env node
/** Where `causeway` starts. Nothing is imported before the check: an older Node fails at that, with words that do not say why. */
const OLDEST_NODE = 24;

if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
  console.error(`causeway: Node ${OLDEST_NODE} or later is needed, and ${process.execPath} is ${process.version}`);
  process.exitCode = 1;
} else {
  await import('./program.ts');
}
