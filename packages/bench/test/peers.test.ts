import { referenceBackend } from '@kora-bench/backend-reference';
import tfjs from '@kora-bench/backend-tfjs';
import { measurePeer } from '@kora-bench/bench';
import type { BackendDefinition, PeerDefinition } from '@kora-bench/core/backend';
import type { Weights } from '@kora-bench/core/graph';
import { hostTensor } from '@kora-bench/core/graph';
import { vitArchitecture } from '@kora-bench/core/nn';
import type { MethodDefinition } from '@kora-bench/core/peft';
import lora from '@kora-bench/method-lora';
import { toyVitConfig } from '@kora-bench/testing/vit-configs';
import { expect, test } from 'vitest';

async function measure(
  definition: BackendDefinition<never>,
  device: string,
  peer: PeerDefinition,
  method = lora as MethodDefinition,
) {
  const options = definition.options.parse({}) as never;
  const backend = await definition.create(device, options);
  try {
    return await measurePeer(peer, {
      backend,
      device,
      method: { definition: method, options: method.options.parse({}) },
      label: 'lora',
      model: vitArchitecture({ ...toyVitConfig, numClasses: 0 }),
      classes: 5,
      batch: 2,
      milliseconds: 50,
    });
  } finally {
    await backend.dispose();
  }
}

test('a backend and its peer take the same steps by turns, and their rates and ratio are told', async () => {
  const { name, losses, imagesPerSecond, ownImagesPerSecond, ratio } = await measure(
    tfjs as BackendDefinition<never>,
    'cpu',
    tfjs.peer!,
  );
  expect(name).toBe('tfjs, tf.variableGrads');
  expect(losses.own).toHaveLength(3);
  losses.own.forEach((loss, i) => {
    expect(losses.peer[i]).toBeCloseTo(loss, 4);
  });
  expect(losses.own[2]).toBeLessThan(losses.own[0]!);
  expect(ratio).toBeCloseTo(ownImagesPerSecond / imagesPerSecond, 9);
});

test('a peer that trains something else is refused, and disposed of', async () => {
  let disposed = false;
  const other: PeerDefinition = {
    name: 'other',
    create: async () => ({
      step: async () => 1,
      dispose: async () => {
        disposed = true;
      },
    }),
  };
  const measured = measure(referenceBackend as BackendDefinition<never>, 'cpu', other);
  await expect(measured).rejects.toMatchObject({
    code: 'TRAINING',
    message: 'The peer does not train as the backend does.',
    received: '1.00000, 1.00000, 1.00000',
  });
  expect(disposed).toBe(true);
});

test('both sides start where the method’s own `initialize` starts it', async () => {
  const name = 'blocks.0.attn.qkv.lora_B.weight';
  let given: number | undefined;
  const peer: PeerDefinition = {
    name: 'curious',
    async create(_device, { parameters }) {
      given = parameters.get(name)!.data[0];
      return { step: async () => 1, dispose: async () => {} };
    },
  };
  const ones = (length: number) => new Float32Array(length).fill(1);
  const method = {
    ...(lora as MethodDefinition),
    initialize: async ({ weights }: { readonly weights: Weights }) => {
      const { shape, data } = weights.get(name)!;
      return new Map([[name, hostTensor(shape, ones(data.length))]]);
    },
  };
  await expect(measure(referenceBackend as BackendDefinition<never>, 'cpu', peer, method)).rejects.toThrow();
  expect(given).toBe(1);
});
