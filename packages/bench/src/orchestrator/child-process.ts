import { fork } from 'node:child_process';
import type { FailedRecord } from '../records/record-schema.js';

export interface ChildTask {
  /** The module that the child runs. */
  readonly entry: string | URL;
  /** Its first and only message. */
  readonly job: unknown;
  onMessage(message: unknown): void;
  /** Ends the child when it fires. */
  readonly stop?: AbortSignal;
  /** How long a child may live on after it closed the channel or was told to stop, milliseconds. */
  readonly graceMs?: number;
  /** How long it may run at all, milliseconds; no limit by default. */
  readonly timeoutMs?: number;
}

/** How a child ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It did not end by itself in time and was killed. */
  readonly hung: boolean;
  readonly stopped: boolean;
  /** The end of what it printed. */
  readonly output: string;
}

const outputLimit = 64 * 1024;

/**
 * Runs a module in a child process and waits for its end, whatever that is: nothing that the child
 * does can take this process down or keep it waiting for ever. Never rejects.
 */
export function runChild(task: ChildTask): Promise<ChildEnd> {
  const { graceMs = 5000, stop, timeoutMs } = task;
  return new Promise((resolve) => {
    const child = fork(task.entry, [], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [] });
    const timers = new Set<NodeJS.Timeout>();
    const after = (milliseconds: number, act: () => void) => timers.add(setTimeout(act, milliseconds));
    let output = '';
    let hung = false;
    let settled = false;
    const settle = (code: number | null, signal: NodeJS.Signals | null) => {
      if (settled) return;
      settled = true;
      for (const timer of timers) clearTimeout(timer);
      stop?.removeEventListener('abort', terminate);
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve({ code, signal, hung, stopped: stop?.aborted ?? false, output });
    };
    const kill = () => {
      hung = true;
      child.kill('SIGKILL');
    };
    const terminate = () => {
      child.kill('SIGTERM');
      after(graceMs, () => child.kill('SIGKILL'));
    };
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-outputLimit);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('message', (message) => task.onMessage(message));
    child.on('disconnect', () => after(graceMs, kill));
    child.on('error', (error) => {
      output += `${error.message}\n`;
      if (child.pid === undefined) settle(null, null);
    });
    // A grandchild can hold the pipes open, so the end of the output is waited for only briefly.
    child.on('exit', (code, signal) => after(500, () => settle(code, signal)));
    child.on('close', settle);
    if (timeoutMs !== undefined) after(timeoutMs, kill);
    stop?.addEventListener('abort', terminate, { once: true });
    if (stop?.aborted) terminate();
    // A child that dies before it reads the job shows by its exit.
    child.send(task.job as object, () => {});
  });
}

/** Why a process that left no result ended, as the error of a failed record. */
export function explainEnd(
  { code, signal, hung, output }: ChildEnd,
  log: string | null,
): FailedRecord['error'] {
  const common = {
    where: log,
    expected: 'a process that ends after writing its record',
    received: lastLine(output),
  };
  if (/heap out of memory|bad_alloc|Cannot allocate memory/i.test(output)) {
    return {
      ...common,
      code: 'OUT_OF_MEMORY',
      message: 'The cell’s process ran out of memory.',
      fix: lessMemory,
    };
  }
  if (hung) {
    return {
      ...common,
      code: 'HUNG',
      message: 'The cell’s process closed its channel without a record and did not end; it was killed.',
      fix: 'Run again with --resume; if it repeats, try another --backend.',
    };
  }
  if (signal !== null) {
    return {
      ...common,
      code: 'CRASHED',
      message: `The cell’s process was ended by ${signal}.`,
      fix:
        signal === 'SIGKILL'
          ? `The system may have been short of memory. ${lessMemory}`
          : 'Run again with --resume; if it repeats, try another --backend.',
    };
  }
  return {
    ...common,
    code: 'CRASHED',
    message:
      code === 0
        ? 'The cell’s process ended without writing its record.'
        : `The cell’s process ended with exit code ${code ?? 'unknown'}.`,
    fix: 'Run again with --resume; if it repeats, please report it.',
  };
}

const lessMemory = 'Use a smaller --batch-size or close other programs, then run again with --resume.';

/** The line that says most: an error's, else the last one. */
function lastLine(output: string): string | null {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^at |^Node\.js v/.test(line));
  return (lines.findLast((line) => /error|fatal|abort/i.test(line)) ?? lines.at(-1))?.slice(0, 300) ?? null;
}
