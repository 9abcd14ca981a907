import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** What tells a process from every other one, also after a restart of its machine or container. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the system's own count; null where that cannot be found out. */
  readonly started: string | null;
  readonly host: string;
  /**
   * Where its number means something: the machine since it was last started and, on Linux, the container. In a
   * container every first process is number 1, and a container's name can be another each time.
   */
  readonly space: string;
}

/** This process. */
export function ownIdentity(): ProcessIdentity {
  const { pid } = process;
  return { pid, started: startOf(pid), host: hostname(), space: ownSpace() };
}

/** `unknown` where a process cannot be asked after from here: it runs elsewhere, or its number is another's. */
export type ProcessState = 'running' | 'gone' | 'unknown';

/** Whether a process runs, as far as that can be told from here. */
export function stateOf({ pid, started, space }: ProcessIdentity): ProcessState {
  if (space !== ownSpace()) return 'unknown';
  if (!exists(pid)) return 'gone';
  const now = startOf(pid);
  // The number may have been given away again.
  if (started === null || now === null) return pid === process.pid ? 'running' : 'unknown';
  return started === now ? 'running' : 'gone';
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function ownSpace(): string {
  const boot = orNull(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());
  const container = orNull(() => readlinkSync('/proc/self/ns/pid'));
  return [hostname(), boot, container].filter((part) => part !== null).join(' ');
}

/** Field 22 of Linux’s `stat`, counted from the boot; the name before it, in brackets, may hold anything. */
function startOf(pid: number): string | null {
  return orNull(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  });
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
