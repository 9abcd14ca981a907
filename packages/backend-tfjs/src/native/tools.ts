import { execFileSync } from 'node:child_process';
import type { KoraErrorDetails } from '@kora-bench/core/errors';
import { BackendError } from '@kora-bench/core/errors';

/** Programs that a build needs, as they are called. */
export interface Tools {
  /** With pip. */
  readonly python: string;
  /** For C++17. */
  readonly compiler: string;
  /** Makes the libraries a third smaller; done without where it is missing. */
  readonly strip: string | undefined;
}

/**
 * Looks for the programs that a build needs; `PYTHON` and `CXX` name others.
 * @throws BackendError naming what is missing and how to get it
 */
export function findTools(environment: NodeJS.ProcessEnv = process.env): Tools {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw unavailable({
      expected: 'Linux on x86-64 or Arm, whose wheels of TensorFlow have the libraries',
      received: `${process.platform} ${process.arch}`,
      fix: 'npm install @tensorflow/tfjs-node@4.22.0, which downloads a build for this system; or choose tfjs:wasm.',
    });
  }
  const first = (names: readonly (string | undefined)[], args: readonly string[]) =>
    names.find((name) => name !== undefined && answers(name, args));
  const python = first([environment['PYTHON'], 'python3', 'python'], ['-m', 'pip', '--version']);
  if (python === undefined) {
    throw unavailable({
      expected: 'Python with pip, which gets TensorFlow from PyPI',
      received: 'no python3 that has pip',
      fix: 'apt-get install python3-pip, or set PYTHON to a Python that has pip; or choose tfjs:wasm.',
    });
  }
  const compiler = first([environment['CXX'], 'g++', 'c++', 'clang++'], ['--version']);
  if (compiler === undefined) {
    throw unavailable({
      expected: 'a C++ compiler, for the addon',
      received: 'none of g++, c++, clang++',
      fix: 'apt-get install g++, or set CXX to a compiler; or choose tfjs:wasm.',
    });
  }
  return { python, compiler, strip: first(['strip'], ['--version']) };
}

function answers(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs a program to its end.
 * @returns what it printed
 * @throws BackendError with the last lines of what it complained of
 */
export function runTool(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 2 ** 26,
    });
  } catch (cause) {
    const { stderr } = cause as { readonly stderr?: string };
    const complaint = (stderr ?? String(cause)).trim().split('\n').slice(-5).join(' | ');
    throw unavailable({
      where: [program, ...args.slice(0, 3)].join(' '),
      expected: 'a command that succeeds',
      received: complaint,
      fix: 'Mend what it says; behind a mirror, pip takes its address from PIP_INDEX_URL.',
      cause,
    });
  }
}

/** The error of a build that is not possible here. */
export function unavailable(details: KoraErrorDetails): BackendError {
  return new BackendError('The native engine of TensorFlow.js cannot be built here.', details);
}
