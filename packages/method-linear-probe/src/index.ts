import { defineMethod } from '@kora-bench/core/peft';
import { z } from 'zod';

const options = z.strictObject({});

/** Trains the head alone: the baseline that every method has to beat. */
export default defineMethod<z.infer<typeof options>>({
  name: 'linear-probe',
  description: 'Only the new head trains, on the features of the frozen backbone.',
  source: 'Standard baseline, e.g. Kornblith et al. 2019, Do Better ImageNet Models Transfer Better?',
  options,
  parameters: () => [],
});
