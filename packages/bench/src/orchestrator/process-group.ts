import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';

/* A child with all that it starts, as one: a group of processes, where the system has such groups. */

/** Whether a child that is started `detached` leads a group of its own. */
export const hasGroups = process.platform !== 'win32';

/** Sends a signal to a child and all that it started. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (hasGroups && child.pid !== undefined) process.kill(-child.pid, signal);
    else child.kill(signal);
  } catch {
    // All of them have ended.
  }
}

/** Waits for its input to end, which it does with the process that holds the other end, however that goes. */
const guard = 'read -r _; sleep 3; kill -KILL -"$0"';

/**
 * Ends a child's group when this process is killed, which it cannot do itself. A child ends by itself when its
 * channel closes, but not in a loop without an end. Where there is no shell, there is no guard.
 * @returns takes the guard away
 */
export function guardGroup({ pid }: ChildProcess): () => void {
  if (!hasGroups || pid === undefined) return () => undefined;
  const shell = spawn('/bin/sh', ['-c', guard, String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  shell.on('error', () => undefined);
  shell.stdin?.on('error', () => undefined);
  shell.unref();
  return () => {
    shell.kill('SIGKILL');
    shell.stdin?.destroy();
  };
}

/**
 * Ctrl-Z reaches this process alone, since the child has a group of its own: pauses the group with it, and lets both
 * go on together.
 * @returns ends that
 */
export function pauseTogether(child: ChildProcess): () => void {
  if (!hasGroups) return () => undefined;
  const pause = () => {
    signalGroup(child, 'SIGSTOP');
    process.kill(process.pid, 'SIGSTOP');
  };
  const goOn = () => signalGroup(child, 'SIGCONT');
  process.on('SIGTSTP', pause);
  process.on('SIGCONT', goOn);
  return () => {
    process.off('SIGTSTP', pause);
    process.off('SIGCONT', goOn);
  };
}
