import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { OrtOptions } from '@kora-bench/backend-ort';
import { expect, it } from 'vitest';

/** Halves 1.5e-38 in a child process, because the first program of a process decides for all. */
const halve = (denormals: OrtOptions['denormals']) => `
  import definition from '@kora-bench/backend-ort';
  import { GraphBuilder, hostTensor } from '@kora-bench/core/graph';
import { mul } from '@kora-bench/core/ops';
import { makeProgram } from '@kora-bench/core/passes';
  const options = definition.options.parse({ threads: 1, denormals: '${denormals}' });
  const backend = await definition.create('cpu', options);
  const x = new GraphBuilder().feed('x', [1]);
  const executable = await backend.compile(makeProgram({ y: mul(x, 0.5) }), new Map());
  const feeds = { x: hostTensor([1], Float32Array.of(1.5e-38)) };
  const { y } = await executable.run({ feeds, fetch: ['y'] });
  const bits = new Uint32Array(y.data.buffer, y.data.byteOffset, 1)[0];
  process.stdout.write(bits === 0 ? 'zero' : 'keep', () => process.exit(0));
`;

// onnxruntime has the switch for x86 alone; other CPUs are not slow on these numbers.
it.skipIf(process.arch !== 'x64').each(['zero', 'keep'] as const)(
  'denormals: %s does so (on x64 alone)',
  async (denormals) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', halve(denormals)],
      { cwd: import.meta.dirname },
    );
    expect(stdout).toBe(denormals);
  },
);
