// Writes the JSON Schemas of records, suites and throughput cells to packages/bench/schema.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { jsonSchemas } from '../packages/bench/dist/json-schemas.js';

const folder = fileURLToPath(new URL('../packages/bench/schema/', import.meta.url));
mkdirSync(folder, { recursive: true });
for (const [name, schema] of Object.entries(jsonSchemas())) {
  writeFileSync(`${folder}${name}`, `${JSON.stringify(schema, null, 2)}\n`);
}
