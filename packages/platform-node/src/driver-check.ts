import type { ExecFileException } from 'node:child_process';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What a driver check printed, and how its process ended. */
export interface DriverCheckResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Why the process did not exit with code 0 by itself, in words; absent when it did. */
  readonly failure?: string;
}

/**
 * Runs a driver check in a child process: a driver that crashes or hangs takes only that process with it.
 * Never rejects.
 * @param entry the module that uses the driver and prints what it finds
 * @param args its command-line arguments
 * @param timeout milliseconds until the process is killed
 */
export function runDriverCheck(
  entry: URL,
  args: readonly string[],
  timeout = 30_000,
): Promise<DriverCheckResult> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [fileURLToPath(entry), ...args],
      // Native code that hangs handles no other signal.
      { timeout, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        resolve({ stdout, stderr, ...(error !== null && { failure: describeEnd(error, timeout) }) });
      },
    );
  });
}

function describeEnd({ killed, signal, code }: ExecFileException, timeout: number): string {
  if (killed) return `no answer within ${timeout / 1000} s`;
  return signal ? `the process was ended by ${signal}` : `the process ended with exit code ${code}`;
}
