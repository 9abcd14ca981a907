import { createRequire } from 'node:module';
import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Backend } from '@kora-bench/core';
import type { DoneRecord } from '../records/record-schema.js';

/** What ran the cell, as far as it may change numbers. */
export function describeEnvironment(backend: Backend): DoneRecord['environment'] {
  const own = createRequire(import.meta.url)('../../package.json') as { version: string };
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    backend: { ...backend.versions },
    packages: { '@kora-bench/bench': own.version },
  };
}
