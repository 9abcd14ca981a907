import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, vi } from 'vitest';

/** What a test has written so far. */
export interface CapturedOutput {
  stdout: string;
  stderr: string;
}

/** Keeps what the tests of a file write to stdout and stderr; each test begins with nothing. */
export function captureOutput(): CapturedOutput {
  const captured: CapturedOutput = { stdout: '', stderr: '' };
  beforeEach(() => {
    for (const stream of ['stdout', 'stderr'] as const) {
      captured[stream] = '';
      vi.spyOn(process[stream], 'write').mockImplementation((text) => {
        captured[stream] += String(text);
        return true;
      });
    }
  });
  afterEach(() => vi.restoreAllMocks());
  return captured;
}

/** What a process wrote, and its exit code; null where a signal ended it. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Collects what a child process writes, until it ends. */
export function collectOutput(child: ChildProcess): {
  readonly written: Readonly<CapturedOutput>;
  readonly ended: Promise<Ended>;
} {
  const written: CapturedOutput = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]?.on('data', (chunk: Buffer) => {
      written[stream] += chunk.toString();
    });
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, ...written })));
  return { written, ended };
}
