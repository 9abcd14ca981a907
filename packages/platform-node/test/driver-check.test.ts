import { writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runDriverCheck } from '@kora-bench/platform-node/driver-check';
import { expect, it } from 'vitest';

const folder = await mkdtemp(join(tmpdir(), 'driver-check-'));
let count = 0;
const module = (code: string): URL => {
  const path = join(folder, `${count++}.mjs`);
  writeFileSync(path, code);
  return pathToFileURL(path);
};

it('gives what the check printed', async () => {
  const entry = module('console.log("works", process.argv[2]); console.error("warning");');
  expect(await runDriverCheck(entry, ['gpu'])).toEqual({ stdout: 'works gpu\n', stderr: 'warning\n' });
});

it.each([
  [
    'crashes',
    'process.kill(process.pid, "SIGSEGV"); setInterval(() => {}, 1000);',
    'the process was ended by SIGSEGV',
  ],
  ['exits with a code', 'process.exit(3);', 'the process ended with exit code 3'],
  ['throws', 'throw new Error("no");', 'the process ended with exit code 1'],
])('says that it %s, and keeps what it printed before', async (_, code, reason) => {
  const end = await runDriverCheck(
    module(`import { writeSync } from 'node:fs'; writeSync(1, 'first'); ${code}`),
    [],
  );
  expect(end).toMatchObject({ stdout: 'first', failure: reason });
});

it('kills a check that hangs, even one that no timer of its own could stop', async () => {
  const end = await runDriverCheck(module('for (;;);'), [], 500);
  expect(end.failure).toBe('no answer within 0.5 s');
});
