import { describeMethod } from '@kora-bench/conformance';
import { defineMethod } from '@kora-bench/core/peft';
import { z } from 'zod';

/** BitFit (Ben Zaken et al. 2022) as a package from outside would write and test it: the biases train. */
describeMethod(
  defineMethod({
    name: 'bitfit',
    description: 'The backbone’s biases train, together with the new head.',
    source: 'Ben Zaken et al. 2022, BitFit.',
    options: z.strictObject({}),
    parameters: () => [],
    trainsBackbone: (name) => name.endsWith('.bias') && !name.startsWith('head.'),
  }),
  // Per block: two norms and proj D each, qkv 3·D, fc1 4·D, fc2 D; then the patches and the last norm.
  { counts: [[{}, 12 * 11 * 768 + 2 * 768 + 76_900]] },
);
