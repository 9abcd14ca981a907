import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { complaint, extending, file, testComplaints } from './complaints.js';

/** A plugin with one data set, as its author would write it. */
const dataPlugin = (name: string, fields: object) =>
  file(
    name,
    `export default { open() {}, verify() {}, ...${JSON.stringify({
      name: 'own-data',
      description: 'for tests',
      targets: ['label'],
      classes: 2,
      embedded: true,
      howToGet: '',
      ...fields,
    })} };`,
  );

testComplaints({
  'a plugin that is not there': [
    ['--suite', extending('plugin.json', { plugins: { methods: ['./absent.mjs'] } })],
    /plugins\.methods\[0\]/,
    /cannot be imported/,
  ],
  'a plugin that registers nonsense': [
    [
      '--suite',
      extending('nonsense.json', {
        plugins: { methods: [file('nonsense.mjs', 'export default { name: "a" };')] },
      }),
    ],
    /does not register valid methods/,
    /nonsense\.mjs/,
  ],
  'a method with every fault that a definition can have': [
    [
      '--suite',
      extending('faults.json', {
        plugins: {
          methods: [
            file(
              'faults.mjs',
              'export default { name: "mine", description: "", source: "", options: { safeParse() {} }, ' +
                'parameters: 3, atach() {} };',
            ),
          ],
        },
      }),
    ],
    /where: .*faults\.mjs, mine/,
    /options: is a schema of zod 3; make it with zod 4/,
    /parameters: is not a function/,
    /atach: there is no such member, did you mean attach\?/,
  ],
  'a plugin that throws when it is loaded': [
    [
      '--suite',
      extending('throws.json', {
        plugins: { tasks: [file('throws.mjs', "\nthrow new TypeError('no such table');")] },
      }),
    ],
    /throws\.mjs" throws when it is loaded/,
    /where: +plugins\.tasks\[0\]/,
    /received: +no such table/,
    /fix: +Correct the plugin at /,
  ],
  'a data set with an unknown kind of target': [
    [
      '--suite',
      extending('kind.json', { plugins: { datasets: [dataPlugin('kind.mjs', { targets: ['boxes'] })] } }),
    ],
    /does not register valid datasets/,
    /where: +plugins\.datasets: .*kind\.mjs/,
    /targets\.0: "boxes" is not a kind of target; there are label, value, mask, depth/,
  ],
  'a name that no flag could say': [
    ['--suite', extending('name.json', { plugins: { datasets: [dataPlugin('name.mjs', { name: 'a b' })] } })],
    /name: is not a name: no spaces, commas or colons/,
  ],
  'a plugin that is not installed': [
    ['--suite', extending('uninstalled.json', { plugins: { datasets: ['@kora-bench/absent'] } })],
    /plugins\.datasets\[0\]/,
    /Install the package/,
  ],
});

test('a plugin cannot take a name that is taken', async () => {
  const twice = file(
    'twice.mjs',
    `import lora from ${JSON.stringify(import.meta.resolve('@kora-bench/method-lora'))}; export default [lora];`,
  );
  const stderr = await complaint('--suite', extending('twice.json', { plugins: { methods: [twice] } }));
  expect(stderr).toMatch(/named "lora"[\s\S]*method-lora and from .*twice\.mjs/);
});

test('kora.config.json with a misspelt kind of plugin is named', async () => {
  const path = file('kora.config.json', { plugins: { task: ['./x'] } });
  const stderr = await complaint('list', 'tasks').finally(() => rmSync(path));
  expect(stderr).toMatch(/where: +plugins\.task in .*kora\.config\.json[\s\S]*Did you mean tasks\?/);
});
