import { defineMethod } from '@kora-bench/core/peft';
import { z } from 'zod';

const options = z.strictObject({});

/**
 * Trains every weight of the backbone and the new head. The checkpoint's own classifier (`head.*`) is
 * replaced by the new head, so it neither trains nor counts.
 */
export default defineMethod<z.infer<typeof options>>({
  name: 'full',
  description: 'Every weight of the backbone trains, together with the new head.',
  source: 'Standard baseline, e.g. Dosovitskiy et al. 2021, An Image is Worth 16x16 Words.',
  options,
  parameters: () => [],
  trainsBackbone: (name) => !name.startsWith('head.'),
});
