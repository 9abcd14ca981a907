#!/usr/bin/env node
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/*
 * Stands in for Python in the tests: answers as `peer_pytorch.py` does, and writes what it was asked, and the shapes of the
 * values that it got, to the file that `STUB_ASKED` names. With `STUB_LACKS` it ends as Python does without that package.
 */
const shapesIn = (path) => {
  const file = readFileSync(path);
  const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE())));
  return Object.fromEntries(
    Object.entries(header).flatMap(([name, { shape }]) => (shape ? [[name, shape]] : [])),
  );
};
const asked = [];
const answers = {
  describe: () => ({ onGpu: false, device: 'CPU (2 threads)', versions: { torch: '2.0', cuda: null } }),
  use: () => ({}),
  load({ folder, ...rest }) {
    const config = join(folder, 'adapter_config.json');
    const adapter = existsSync(config) && {
      config: JSON.parse(readFileSync(config, 'utf8')),
      values: shapesIn(join(folder, 'adapter_model.safetensors')),
    };
    const values = shapesIn(join(folder, 'training.safetensors'));
    asked.push({ ...rest, folder, files: adapter, values });
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
