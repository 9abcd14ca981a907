import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type DoneRecord, recordSchema, writeRecord } from '@kora-bench/bench';
import { expect, test } from 'vitest';
import { fixture, temporaryFolder } from './fake-run.js';

const record = recordSchema.parse(
  JSON.parse(readFileSync(fixture('done-record.json'), 'utf8')),
) as DoneRecord;

test('a record is read back as it was written, and nothing else is left in the folder', async () => {
  const runDir = temporaryFolder();
  const path = await writeRecord(runDir, record);
  expect(recordSchema.parse(JSON.parse(readFileSync(path, 'utf8')))).toEqual(record);
  expect(readdirSync(join(runDir, 'records'))).toEqual([`${record.cell.id}.json`]);
});

test('a record that its schema refuses is not written', async () => {
  const runDir = temporaryFolder();
  const wrong = { ...record, peakMemoryBytes: Number.NaN };
  await expect(writeRecord(runDir, wrong)).rejects.toMatchObject({
    code: 'INTERNAL',
    where: 'peakMemoryBytes',
  });
  expect(readdirSync(runDir)).toEqual([]);
});

test('a write that fails leaves the old record whole and no temporary file', async () => {
  const runDir = temporaryFolder();
  const target = join(runDir, 'records', `${record.cell.id}.json`);
  // A folder in the place of the file lets the last step, the rename, fail.
  mkdirSync(target, { recursive: true });
  await expect(writeRecord(runDir, record)).rejects.toMatchObject({ code: 'INPUT', where: target });
  expect(readdirSync(join(runDir, 'records'))).toEqual([`${record.cell.id}.json`]);
  rmSync(target, { recursive: true });
  await writeRecord(runDir, record);
});
