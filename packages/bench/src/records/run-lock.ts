import { randomUUID } from 'node:crypto';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { InputError } from '@kora-bench/core/errors';
import { ownIdentity, stateOf } from '@kora-bench/platform-node/process-identity';
import { z } from 'zod';
import { duration } from '../input/duration.js';
import { lockPath, unwritable } from './run-files.js';

/*
 * A run folder belongs to one process at a time. Its lock names the process, so that a run that was killed can be
 * gone on with at once, and it is a lease: where the process cannot be asked after, as from another container or
 * machine, it counts as gone once the file has not been touched for a while.
 */

/** Between two signs of life, milliseconds. */
const heartbeatMs = 10_000;
/** After its last sign of life, a process that cannot be asked after keeps the folder for so long, milliseconds. */
export const leaseMs = 120_000;

const holderSchema = z.object({
  pid: z.int(),
  host: z.string(),
  since: z.string(),
  started: z.string().nullable().default(null),
  space: z.string().default(''),
  token: z.string().default(''),
});
type Holder = z.infer<typeof holderSchema>;

/** A run folder that is this process's own. */
export interface RunLease {
  /** Fires when it is not any more: another process took it, or it is gone. The reason is an `InputError`. */
  readonly lost: AbortSignal;
  /** Gives the folder free again. */
  release(): Promise<void>;
}

export interface LockOptions {
  /** Take the folder from whoever has it. */
  readonly take?: boolean;
  /**
   * Calls `beat` again and again, so that others see that this process lives.
   * @returns ends that
   */
  readonly schedule?: (beat: () => Promise<void>, milliseconds: number) => () => void;
}

/**
 * Takes a run folder for this process alone.
 * @throws InputError when another process has it that lives, as far as can be told, or the folder cannot be written
 */
export async function lockRun(
  runDir: string,
  { take = false, schedule = everyNowAndThen }: LockOptions = {},
): Promise<RunLease> {
  const path = lockPath(runDir);
  const own: Holder = { ...ownIdentity(), since: new Date().toISOString(), token: randomUUID() };
  while (!(await createNew(path, own))) {
    const held = await readLock(path);
    if (held !== undefined && !take && mayLive(held)) throw taken(path, held);
    // An empty lock may be about to be written.
    if (held === undefined) await pause(100);
    await removeLock(path, (other) => take || !mayLive(other));
  }
  const lost = new AbortController();
  const end = schedule(() => beat(path, own, lost), heartbeatMs);
  return {
    lost: lost.signal,
    async release() {
      end();
      if ((await readLock(path))?.holder.token === own.token) await rm(path, { force: true });
    },
  };
}

/**
 * Takes a folder as `lockRun` does, and waits for another process that has it.
 * @param patienceMs how long
 * @throws InputError when that process still has it then
 */
export async function lockWhenFree(folder: string, patienceMs: number): Promise<RunLease> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    try {
      return await lockRun(folder);
    } catch (error) {
      if (!(error instanceof InputError) || error.message !== takenMessage || Date.now() > deadline)
        throw error;
      await pause(100);
    }
  }
}

function everyNowAndThen(beat: () => Promise<void>, milliseconds: number): () => void {
  const timer = setInterval(() => void beat(), milliseconds).unref();
  return () => clearInterval(timer);
}

/** Shows that this process lives, and finds out whether the folder is still its own. */
async function beat(path: string, own: Holder, lost: AbortController): Promise<void> {
  if (lost.signal.aborted) return;
  try {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    const holder = text === undefined ? undefined : parseHolder(text);
    if (holder?.token === own.token) {
      const now = new Date();
      await utimes(path, now, now);
    } else if (holder !== undefined) lost.abort(takenAway(path, holder));
    else if (text === undefined && !(await createNew(path, own))) await beat(path, own, lost);
  } catch (error) {
    const { code } = (error instanceof InputError ? error.cause : error) as NodeJS.ErrnoException;
    // A disk that answers nothing now may do so again at the next beat.
    if (code === 'ENOENT' || code === 'ENOTDIR') lost.abort(folderGone(path));
  }
}

async function createNew(path: string, holder: Holder): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(holder), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    // A full disk may have taken the file, but not what is in it.
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') await rm(path, { force: true });
    throw unwritable(path, error);
  }
}

interface HeldLock {
  readonly holder: Holder;
  /** Since its last sign of life, milliseconds; below 0 where clocks differ. */
  readonly age: number;
}

/** Undefined when the lock is gone or half-written. */
async function readLock(path: string): Promise<HeldLock | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    const holder = parseHolder(text);
    return holder && { holder, age: Date.now() - mtimeMs };
  } catch {
    return undefined;
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    return holderSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function mayLive({ holder, age }: HeldLock): boolean {
  const state = stateOf(holder);
  return state === 'running' || (state === 'unknown' && age <= leaseMs);
}

/** One process at a time removes a lock: else a second could remove the first one's new lock. */
async function removeLock(path: string, mayGo: (held: HeldLock) => boolean): Promise<void> {
  const gate = `${path}.takeover`;
  const own: Holder = { ...ownIdentity(), since: new Date().toISOString(), token: randomUUID() };
  if (!(await createNew(gate, own))) {
    const other = await readLock(gate);
    if (other === undefined || !mayLive(other)) await rm(gate, { force: true });
    else await pause(20);
    return;
  }
  try {
    const held = await readLock(path);
    if (held === undefined || mayGo(held)) await rm(path, { force: true });
  } finally {
    await rm(gate, { force: true });
  }
}

const named = ({ pid, host, since }: Holder) => `process ${pid} on ${host}, since ${since}`;

const takenMessage = 'Another process works in this run folder.';

function taken(path: string, { holder, age }: HeldLock): InputError {
  const seconds = (milliseconds: number) => duration(Math.max(0, milliseconds) / 1000);
  const runs = stateOf(holder) === 'running';
  return new InputError(takenMessage, {
    where: path,
    expected: 'a folder that no other run uses',
    received: `${named(holder)}; its last sign of life is ${seconds(age)} old`,
    fix: runs
      ? `Wait for it, end it, or choose another folder with --out. Where it is stuck, --take-lock takes the folder from it.`
      : `It runs on another machine or in another container. If it is gone, the folder is free in ${seconds(leaseMs - age)}; --take-lock takes it now, and ends a run that lives.`,
  });
}

function takenAway(path: string, holder: Holder): InputError {
  return new InputError('Another process took this run folder.', {
    where: path,
    expected: 'a folder that stays this run’s own',
    received: named(holder),
    fix: 'Nothing is lost: that process goes on with what is missing. Give two runs different folders with --out.',
  });
}

function folderGone(path: string): InputError {
  return new InputError('The run folder is gone.', {
    where: path,
    expected: 'the folder that the run began in',
    received: 'no such folder',
    fix: 'Start the run again, and let nothing else move or delete its folder.',
  });
}
