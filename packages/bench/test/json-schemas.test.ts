import { readFileSync } from 'node:fs';
import { jsonSchemas } from '@kora-bench/bench';
import { expect, it } from 'vitest';

it.each(Object.entries(jsonSchemas()))('%s in schema/ is what the code checks', (name, schema) => {
  const committed: unknown = JSON.parse(readFileSync(new URL(`../schema/${name}`, import.meta.url), 'utf8'));
  expect(committed, 'run `node scripts/write-schemas.mjs`').toEqual(JSON.parse(JSON.stringify(schema)));
});
