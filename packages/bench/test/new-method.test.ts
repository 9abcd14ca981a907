import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MethodDefinition } from '@kora-bench/core/peft';
import { methodChecks } from '@kora-bench/testing/method-suite';
import { describe, expect, test } from 'vitest';
import { importPlugin } from '../src/registry/plugins.js';
import { installSuite, runKora } from './own-folder.js';
import { temporaryFolder } from './tiny-cell.js';

describe.each(['lora', 'ssf', 'vpt'])(
  'a method made from %s in a folder where nothing is installed',
  (from) => {
    test('is registered, counted, and passes the suite for methods', async () => {
      const folder = temporaryFolder();
      const made = await runKora(folder, 'new-method', 'mine', '--from', from);
      expect(made.code, made.stderr).toBe(0);
      expect(JSON.parse(readFileSync(join(folder, 'kora.config.json'), 'utf8'))).toEqual({
        plugins: { methods: ['./kora-method-mine'] },
      });
      for (const file of ['package.json', 'README.md', 'index.js', 'test/mine.test.js']) {
        const text = readFileSync(join(folder, 'kora-method-mine', file), 'utf8');
        expect(text).not.toContain('{{');
      }
      const counted = await runKora(
        folder,
        ...['params', '--model', 'vit_tiny_patch16_224', '--classes', '10', '--json'],
      );
      expect(counted.code, counted.stderr).toBe(0);
      const { methods } = JSON.parse(counted.stdout) as { methods: { method: string; trainable: number }[] };
      expect(methods.find(({ method }) => method === 'mine')!.trainable).toBeGreaterThan(1930);

      // What follows imports the method into this process, which is not the command line’s.
      installSuite(folder);
      const path = join(folder, 'kora-method-mine');
      const { exports } = await importPlugin(path, 'here', folder);
      for (const [group, checks] of Object.entries(methodChecks(exports['default'] as MethodDefinition)))
        for (const { name, check } of checks)
          await Promise.resolve(check()).catch((cause: unknown) => {
            throw new Error(`${group}: ${name}`, { cause });
          });
    });
  },
);

test('what was registered before stays, and a folder that is there is left alone', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'kora.config.json'), JSON.stringify({ plugins: { tasks: ['./a.mjs'] } }));
  mkdirSync(join(folder, 'kora-method-taken'));
  const refused = await runKora(folder, 'new-method', 'taken');
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') });
  expect((await runKora(folder, 'new-method', 'second')).code).toBe(0);
  expect(JSON.parse(readFileSync(join(folder, 'kora.config.json'), 'utf8'))).toEqual({
    plugins: { tasks: ['./a.mjs'], methods: ['./kora-method-second'] },
  });
});

test.each([
  [['new-method', 'Not A Name'], /lower-case letters and digits/],
  [['new-method', 'lora'], /There is a method "lora" already/],
  [['new-method', 'mine', '--from', 'lorra'], /Did you mean lora\?/],
])('%j is refused', async (args, message) => {
  const folder = temporaryFolder();
  const { code, stderr } = await runKora(folder, ...args);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
  expect(existsSync(join(folder, 'kora.config.json'))).toBe(false);
});

test('a suite’s plugins are found from the suite, and a single file is a method', async () => {
  const [folder, elsewhere] = [temporaryFolder(), temporaryFolder()];
  writeFileSync(
    join(folder, 'solo.mjs'),
    `import { defineMethod } from '@kora-bench/core/peft';
     import { z } from 'zod';
     export default defineMethod({
       name: 'solo', description: '', source: '', options: z.strictObject({}),
       parameters: ({ width }) => [{ name: 'unused', shape: [width], init: { kind: 'ones' } }],
     });`,
  );
  writeFileSync(
    join(folder, 'mine.json'),
    JSON.stringify({ extends: 'default', plugins: { methods: ['./solo.mjs'] }, methods: [{ name: 'solo' }] }),
  );
  const { code, stderr } = await runKora(elsewhere, '--suite', join(folder, 'mine.json'), '--quick');
  expect(code).toBe(2);
  expect(stderr).toContain('unused: init.kind "ones", did you mean');
});
