import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadSuite, readRecords, recordSchema, resolveConfig } from '@kora-bench/bench';
import { jsonMutations, type Mutation, mutations, onlyAcceptableOutcome } from '@kora-bench/broken-inputs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { fakeSuite, fixture, temporaryFolder } from './fake-run.js';

/** In the suite as many as take seconds; `pnpm mutations` tries 10,000 of each. */
const count = Number(process.env.MUTATIONS ?? 200);
const seed = Number(process.env.MUTATIONS_SEED ?? 1);
const timeout = 60_000 + count * 200;

const folder = temporaryFolder();
const home = process.cwd();
beforeAll(() => {
  process.chdir(folder);
  vi.stubEnv('KORA_DATA_DIR', join(folder, 'no-data'));
});
afterAll(() => process.chdir(home));

/** Both kinds of mutations of a JSON file: of its value, and of its bytes. */
function* ofFile(content: Buffer): Generator<Mutation<Uint8Array>> {
  const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  for (const each of jsonMutations(seed, JSON.parse(content.toString()), count))
    yield { ...each, value: encode(each.value) };
  yield* mutations(seed, content, count);
}

const parsed = (bytes: Uint8Array) =>
  JSON.parse(new TextDecoder().decode(bytes).replace(/^\uFEFF/, '')) as object;

/** Whether a value that was read is what the file says, wherever it says anything. */
function agrees(read: unknown, stated: unknown): boolean {
  if (stated === undefined) return true;
  if (typeof read !== 'object' || read === null) return Object.is(read, stated);
  if (typeof stated !== 'object' || stated === null) return false;
  if (Array.isArray(read) && read.length !== (stated as unknown[]).length) return false;
  return Object.entries(read).every(([key, value]) =>
    agrees(value, Object.hasOwn(stated, key) ? Reflect.get(stated, key) : undefined),
  );
}

// What reading costs beside the file: validation of a run's schema, which does not grow with it.
const allowance = 2 ** 24;

test('a mutated suite is read for what it says, or refused with a fix', { timeout }, async () => {
  const path = join(folder, 'mutated.json');
  const found = { taken: 0, refused: 0 };
  const suite = fakeSuite(folder, ['done']);
  // The first loads all packages.
  await resolveConfig((await loadSuite(suite)).config);
  for (const { index, what, value } of ofFile(readFileSync(suite))) {
    writeFileSync(path, value);
    const outcome = await onlyAcceptableOutcome(async () => resolveConfig((await loadSuite(path)).config), {
      what: `suite, mutation ${index}: ${what}`,
      bytes: value.length,
      allowance,
      seconds: 60,
      right: ({ config }) => {
        const stated = parsed(value) as Record<string, unknown>;
        for (const field of ['seeds', 'training', 'limits'])
          if (Object.hasOwn(stated, field)) expect(config, what).toMatchObject({ [field]: stated[field] });
      },
    });
    if ('value' in outcome) found.taken++;
    else found.refused++;
  }
  expect(Math.min(found.taken, found.refused)).toBeGreaterThan(count / 20);
});

test('a mutated record is read for what it says, or refused with a fix', { timeout }, async () => {
  const original = readFileSync(fixture('done-record.json'));
  const { cell } = recordSchema.parse(JSON.parse(original.toString()));
  mkdirSync(join(folder, 'records'), { recursive: true });
  for (const { index, what, value } of ofFile(original)) {
    writeFileSync(join(folder, 'records', `${cell.id}.json`), value);
    await onlyAcceptableOutcome(() => readRecords(folder, [cell.id]), {
      what: `record, mutation ${index}: ${what}`,
      bytes: value.length,
      allowance,
      seconds: 60,
      right: ([record]) => agrees(record, parsed(value)),
    });
  }
});
