import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MissingDataError } from '@kora-bench/core';
import { planPath } from './run-paths.js';

/** Where runs go when no folder is named. */
export const runsFolder = 'runs';

/**
 * The folder of a run.
 * @param name a path, or `latest` for the newest run in `runs/`
 * @throws MissingDataError when there is no run
 */
export async function findRun(name: string, cwd = process.cwd()): Promise<string> {
  const path = resolve(cwd, name);
  if (name !== 'latest' || (await changedAt(path)) !== undefined) {
    if ((await changedAt(path)) !== undefined) return path;
    throw new MissingDataError('This is not the folder of a run.', {
      where: path,
      expected: 'a folder with run.json in it, or `latest`',
      received: 'no run.json',
      fix: `Name a run folder; \`run\` puts them into ${runsFolder}/ unless told otherwise.`,
    });
  }
  const folder = resolve(cwd, runsFolder);
  const names = await readdir(folder).catch(() => []);
  const runs = await Promise.all(
    names.map(async (entry) => ({ path: join(folder, entry), time: await changedAt(join(folder, entry)) })),
  );
  const latest = runs
    .flatMap(({ path, time }) => (time === undefined ? [] : [{ path, time }]))
    .toSorted((a, b) => b.time - a.time || (a.path < b.path ? 1 : -1))[0];
  if (latest !== undefined) return latest.path;
  throw new MissingDataError('There is no run yet.', {
    where: folder,
    expected: 'at least one run folder',
    received: 'none',
    fix: 'Start one with `run`, or name the folder of a run that is elsewhere.',
  });
}

async function changedAt(runDir: string): Promise<number | undefined> {
  return stat(planPath(runDir)).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}
