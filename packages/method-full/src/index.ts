import { defineMethod } from '@kora-bench/core/peft';
import { z } from 'zod';

const options = z.strictObject({});

/**
 * Trains every weight of the backbone and the new head, which takes the place of the checkpoint's own
 * classifier: that is no part of the backbone here.
 */
export default defineMethod<z.infer<typeof options>>({
  name: 'full',
  description: 'Every weight of the backbone trains, together with the new head.',
  source: 'Standard baseline, e.g. Dosovitskiy et al. 2021, An Image is Worth 16x16 Words.',
  options,
  parameters: () => [],
  trainsBackbone: () => true,
});
