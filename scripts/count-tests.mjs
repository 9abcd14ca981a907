// Adds up vitest's closing lines in a log, says what failed, and prints the one line that CI reads.
//
//     node scripts/count-tests.mjs <log> <exit code of the tests> [<what else ran>=<its exit code> ...]
import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

const [, , path, status, ...others] = process.argv;
const text = stripVTControlCharacters(readFileSync(path, 'utf8'));
const totals = { passed: 0, failed: 0, skipped: 0 };
const lines = text.split('\n');
for (const line of lines) {
  const counts = /\bTests\s+(.*)$/.exec(line);
  if (counts === null) continue;
  for (const [, number, word] of counts[1].matchAll(/(\d+) (passed|failed|skipped|todo)/g)) {
    totals[word === 'todo' ? 'skipped' : word] += Number(number);
  }
}
for (const other of others) {
  const [what, code] = other.split('=');
  if (code === '0') totals.passed += 1;
  else {
    totals.failed += 1;
    console.log(`${what} ended with exit code ${code}.`);
  }
}
if (Number(status) !== 0 && totals.failed === 0) {
  totals.failed += 1;
  console.log(`The tests ended with exit code ${status}.`);
}
lines.forEach((line, i) => {
  if (/\bFAIL\s/.test(line)) console.log(lines.slice(i, i + 12).join('\n'));
  else if (/#test: command .* exited|Unhandled Error|Worker .*exited/.test(line)) console.log(line);
});
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(totals.failed === 0 && totals.passed > others.length ? 0 : 1);
