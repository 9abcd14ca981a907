import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { InputError } from '@kora-bench/core/errors';
import { z } from 'zod';
import { lockPath, unwritable } from './run-files.js';

const holderSchema = z.object({ pid: z.int(), host: z.string(), since: z.string() });
type Holder = z.infer<typeof holderSchema>;

/** Gives a run folder free again. */
export type ReleaseLock = () => Promise<void>;

/**
 * Takes a run folder for this process alone. The lock names its process, so that a run that was killed
 * can be resumed at once, without waiting for a lease to run out.
 * @throws InputError when another process that lives has it, or the folder cannot be written
 */
export async function lockRun(runDir: string): Promise<ReleaseLock> {
  const path = lockPath(runDir);
  const own: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  for (;;) {
    if (await createNew(path, own)) return () => rm(path, { force: true });
    const holder = await readHolder(path);
    if (holder !== undefined && mayLive(holder)) throw taken(path, holder);
    // An empty lock may be about to be written.
    if (holder === undefined) await pause(100);
    await removeStale(path);
  }
}

async function createNew(path: string, holder: Holder): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(holder), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw unwritable(path, error);
  }
}

/** Undefined when the lock is gone or half-written. */
async function readHolder(path: string): Promise<Holder | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    return holderSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Only processes of this machine can be asked; a process number that is our own again is an old one. */
function mayLive({ pid, host }: Holder): boolean {
  if (host !== hostname()) return true;
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** One process at a time removes a stale lock: else a second could remove the first one's new lock. */
async function removeStale(path: string): Promise<void> {
  const gate = `${path}.takeover`;
  const own: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  if (!(await createNew(gate, own))) {
    const other = await readHolder(gate);
    if (other === undefined || !mayLive(other)) await rm(gate, { force: true });
    else await pause(20);
    return;
  }
  try {
    const holder = await readHolder(path);
    if (holder === undefined || !mayLive(holder)) await rm(path, { force: true });
  } finally {
    await rm(gate, { force: true });
  }
}

function taken(path: string, { pid, host, since }: Holder): InputError {
  return new InputError('Another process works in this run folder.', {
    where: path,
    expected: 'a folder that no other run uses',
    received: `process ${pid} on ${host}, since ${since}`,
    fix: `Wait for it, choose another folder with --out, or delete the file if that process is gone.`,
  });
}
