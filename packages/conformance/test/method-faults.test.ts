import type { TrainingCase } from '@kora-bench/conformance';
import {
  compareTraining,
  createOracle,
  defaultTolerances,
  methodTrainingCases,
} from '@kora-bench/conformance';
import type { Backend } from '@kora-bench/core/backend';
import type { GraphNode, HostTensors, Program, Tensor } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import { mul } from '@kora-bench/core/ops';
import { rewriteProgram } from '@kora-bench/core/passes';
import { exampleWeightFeed } from '@kora-bench/core/training';
import { describe, expect, it } from 'vitest';

const caseOf = (name: string, task: string) =>
  methodTrainingCases.find((one) => one.name.startsWith(`${name}, ${task}`))!;

/** The largest error of a backend that compiles another program or runs on other feeds. */
async function errorOf(
  trainingCase: TrainingCase,
  steps: number,
  change: { program?: (program: Program) => Program; feeds?: (feeds: HostTensors) => HostTensors },
): Promise<number> {
  const oracle = await createOracle();
  const broken: Backend = {
    ...oracle,
    async compile(program, weights) {
      const executable = await oracle.compile(change.program?.(program) ?? program, weights);
      return {
        run: (options) =>
          executable.run({ ...options, feeds: change.feeds?.(options.feeds) ?? options.feeds }),
        dispose: () => executable.dispose(),
      };
    },
  };
  const compared = await compareTraining(broken, oracle, trainingCase, steps);
  return Math.max(...compared.map(({ relativeError }) => relativeError));
}

const rewrite = (visit: (node: GraphNode, inputs: readonly Tensor[]) => Tensor | undefined) => ({
  program: (program: Program) => rewriteProgram(program, visit),
});

describe('the methods’ training cases fail on', () => {
  it.each(['classification', 'depth'])('a gradient that is not clipped: %s', async (task) => {
    // The factor of clipping is the only minimum in these programs.
    const unclipped = rewrite(({ op }, inputs) =>
      op.kind === 'binary' && op.fn === 'min' ? inputs[1] : undefined,
    );
    expect(await errorOf(caseOf('full', task), 1, unclipped)).toBeGreaterThan(defaultTolerances.training);
  });

  it('padding that counts as examples, in the partial batches alone', async () => {
    const even = {
      feeds: (feeds: HostTensors) => ({
        ...feeds,
        [exampleWeightFeed]: hostTensor([3], new Float32Array(3).fill(1 / 3)),
      }),
    };
    const trainingCase = caseOf('lora peft', 'classification');
    expect(await errorOf(trainingCase, 3, even)).toBeLessThan(1e-6);
    expect(await errorOf(trainingCase, 4, even)).toBeGreaterThan(defaultTolerances.training);
  });

  it.each(['kora', 'kora-chain', 'adapter-fusion, fusion', 'lora published', 'full'])(
    'one gradient of gelu that is one percent off: %s',
    async (name) => {
      const off = rewrite((node, inputs) =>
        node.op.kind === 'geluGrad' ? mul(inputs[0]!.builder.emit(node.op, inputs), 1.01) : undefined,
      );
      expect(await errorOf(caseOf(name, 'classification'), 1, off)).toBeGreaterThan(
        defaultTolerances.training,
      );
    },
  );
});
