import type { ExecFileException } from 'node:child_process';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What a trial printed, and how it ended. */
export interface TrialEnd {
  readonly stdout: string;
  readonly stderr: string;
  /** Why it did not end by itself with exit code 0, in words; absent when it did. */
  readonly stopped?: string;
}

/**
 * Runs a module in a process of its own: a driver that crashes or hangs takes only that process with it.
 * Never rejects.
 * @param entry the module
 * @param args its arguments
 * @param patience how long it may take, in milliseconds
 */
export function runTrial(entry: URL, args: readonly string[], patience = 30_000): Promise<TrialEnd> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [fileURLToPath(entry), ...args],
      { timeout: patience, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        if (error === null) {
          resolve({ stdout, stderr });
          return;
        }
        resolve({ stdout, stderr, stopped: describeEnd(error, patience) });
      },
    );
  });
}

function describeEnd({ killed, signal, code }: ExecFileException, patience: number): string {
  if (killed) return `no answer within ${patience / 1000} s`;
  return signal ? `the process was ended by ${signal}` : `the process ended with exit code ${code}`;
}
