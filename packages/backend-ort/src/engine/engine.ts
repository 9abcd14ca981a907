import { BackendError, firstLine } from '@kora-bench/core';
import { deviceFix } from '../devices.js';

/** The module `onnxruntime-node`. */
export type Engine = typeof import('onnxruntime-node');

/**
 * Loads onnxruntime's native library, the first time that it is needed.
 * @throws BackendError when it cannot be loaded on this platform
 */
export async function loadEngine(): Promise<Engine> {
  try {
    const engine = await import('onnxruntime-node');
    // Every error that matters comes back as an exception; the native log would repeat it on stderr.
    engine.env.logLevel = 'fatal';
    return engine;
  } catch (cause) {
    throw new BackendError('The native library of onnxruntime cannot be loaded.', {
      expected: 'a platform that onnxruntime-node has binaries for',
      received: `${process.platform} ${process.arch}: ${reasonOf(cause)}`,
      fix: deviceFix.cpu,
      cause,
    });
  }
}

/**
 * The first line of what the engine says about a failure, without the position in its own source that
 * its assertions begin with.
 */
export function reasonOf(cause: unknown): string {
  return firstLine(cause).replace(/^\S*onnxruntime\S*:\d+ .*? was false\. /, '');
}
