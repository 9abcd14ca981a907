#!/usr/bin/env node
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/*
 * Stands in for Python in the tests: answers as `peer_pytorch.py` does, and writes what it was asked, and the names of the
 * values that it got, to the file that `STUB_ASKED` names. With `STUB_LACKS` it ends as Python does without that package.
 */
const asked = [];
const answers = {
  describe: () => ({ onGpu: false, device: 'CPU (2 threads)', versions: { torch: '2.0', cuda: null } }),
  use: () => ({}),
  load({ path, ...rest }) {
    const file = readFileSync(path);
    const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE())));
    asked.push({ ...rest, path, values: Object.keys(header).filter((name) => name !== '__metadata__') });
    writeFileSync(process.env.STUB_ASKED, JSON.stringify(asked));
    return process.env.STUB_REFUSES ? { error: process.env.STUB_REFUSES } : { trained: 7 };
  },
  start: () => ({}),
  losses: ({ count }) => Array(count).fill(1.5),
  memory: () => 123_000_000,
};
if (process.env.STUB_LACKS) {
  console.error(
    `Traceback (most recent call last):\nModuleNotFoundError: No module named '${process.env.STUB_LACKS}'`,
  );
  process.exit(1);
}
for await (const line of createInterface({ input: process.stdin })) {
  const { call, with: args } = JSON.parse(line);
  console.log(JSON.stringify(answers[call](args)));
}
