import { fork } from 'node:child_process';
import { shortDuration } from '../input/duration.js';
import type { FailedRecord } from '../records/record-schema.js';
import { guardGroup, hasGroups, pauseTogether, signalGroup } from './process-group.js';
import type { Overdue, ProcessLimits } from './watchdog.js';
import { processorSeconds, Watchdog } from './watchdog.js';

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
  /** How long it may take; every message is a sign of life. No limits by default. */
  readonly limits?: ProcessLimits;
}

/** How a child ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It did not end by itself after it closed the channel, and was killed. */
  readonly hung: boolean;
  /** The limit for which it was killed. */
  readonly overdue: Overdue | null;
  readonly stopped: boolean;
  /** The end of what it printed. */
  readonly output: string;
}

const outputLimit = 64 * 1024;

/**
 * Runs a module in a child process and waits for its end, whatever that is: nothing that the child
 * does can take this process down or keep it waiting longer than its limits. Where it is killed, so are
 * the processes that it started. Never rejects.
 */
export function runChild(task: ChildTask): Promise<ChildEnd> {
  const { graceMs = 5000, stop, limits = {} } = task;
  return new Promise((resolve) => {
    const child = fork(task.entry, [], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [],
      // A group of its own can be ended as a whole.
      detached: hasGroups,
    });
    const watchdog = new Watchdog(limits, {
      now: () => performance.now(),
      processorSeconds: () => processorSeconds(child.pid),
    });
    const timers = new Set<NodeJS.Timeout>();
    const after = (milliseconds: number, act: () => void) => timers.add(setTimeout(act, milliseconds));
    let output = '';
    let hung = false;
    let overdue: Overdue | null = null;
    let settled = false;
    const killAll = () => signalGroup(child, 'SIGKILL');
    const endings = [guardGroup(child), pauseTogether(child)];
    const settle = (code: number | null, signal: NodeJS.Signals | null) => {
      if (settled) return;
      settled = true;
      for (const timer of timers) clearTimeout(timer);
      stop?.removeEventListener('abort', terminate);
      process.off('exit', killAll);
      for (const end of endings) end();
      if (code !== 0) killAll();
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve({ code, signal, hung, overdue, stopped: stop?.aborted ?? false, output });
    };
    const terminate = () => {
      signalGroup(child, 'SIGTERM');
      after(graceMs, killAll);
    };
    const watch = () => {
      overdue ??= watchdog.check() ?? null;
      if (overdue !== null) killAll();
    };
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-outputLimit);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('message', (message) => {
      watchdog.alive();
      task.onMessage(message);
    });
    child.on('disconnect', () =>
      after(graceMs, () => {
        hung = true;
        killAll();
      }),
    );
    child.on('error', (error) => {
      output += `${error.message}\n`;
      if (child.pid === undefined) settle(null, null);
    });
    // A grandchild can hold the pipes open, so the end of the output is waited for only briefly.
    child.on('exit', (code, signal) => after(500, () => settle(code, signal)));
    child.on('close', settle);
    if (limits.silenceMs !== undefined || limits.totalMs !== undefined)
      timers.add(setInterval(watch, watchdog.interval));
    process.on('exit', killAll);
    stop?.addEventListener('abort', terminate, { once: true });
    if (stop?.aborted) terminate();
    // A child that dies before it reads the job shows by its exit.
    child.send(task.job as object, () => {});
  });
}

/**
 * Why a process that left no result ended, as the error of a failed record.
 * @param doing what it last told of its work
 */
export function explainEnd(
  { code, signal, hung, overdue, output }: ChildEnd,
  log: string | null,
  doing: string | null = null,
): FailedRecord['error'] {
  if (overdue !== null) return { where: log, ...explainOverdue(overdue, doing) };
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

function explainOverdue(
  { limit, milliseconds, load }: Overdue,
  doing: string | null,
): Omit<FailedRecord['error'], 'where'> {
  const time = shortDuration(milliseconds / 1000);
  const last = doing === null ? 'nothing was heard of it' : `its last word was “${doing}”`;
  if (limit === 'total') {
    return {
      code: 'TIMEOUT',
      message: `The process took longer than ${time} and was killed.`,
      expected: `an end within ${time}`,
      received: last,
      fix: 'Make the cell smaller with --limit or --epochs, or raise --cell-timeout.',
    };
  }
  // On a machine that is busy with others, a loop without an end gets little too.
  const busy = load === null || load > 0.02;
  const meanwhile =
    load === null ? '' : `; since then it used ${(100 * load).toFixed(0)} % of one processor core`;
  return {
    code: 'HUNG',
    message: `The process showed no sign of life for ${time} and was killed.`,
    expected: `a step of some work at least every ${time}`,
    received: `${last}${meanwhile}`,
    fix: busy
      ? 'Look for a loop that does not end in the method or plugin. Where compiling or a single step takes so long, raise --hang-timeout.'
      : 'It waits for something that does not come: try another --backend, or raise --hang-timeout.',
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
