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
