import { defineProtocol, type ProtocolDraw } from '@kora-bench/core/training';
import { perClassSubset, withValidation } from '@kora-bench/datasets';
import { z } from 'zod';

/** Each seed has room for so many draws, so that none repeats a draw of another seed. */
const mostDraws = 100;

/** k training examples of each class, in several independent draws; each is scored on the whole test split. */
export const fewShot = defineProtocol({
  name: 'few-shot',
  description:
    'k training examples of each class, drawn several times; each draw trains anew and is scored on the test split.',
  options: z.strictObject({
    perClass: z.int().min(1).default(5).describe('Training examples of each class, k.'),
    draws: z.int().min(1).max(mostDraws).default(3).describe('Independent draws of the training examples.'),
  }),
  draws({ data, preprocessing, training, seed }, { perClass, draws }) {
    const { train, val, test } = withValidation(data);
    const draw = (number: number): ProtocolDraw => ({
      train: perClassSubset(train, perClass, seed * mostDraws + number),
      val,
      evaluations: [{ name: 'test', split: test }],
      preprocessing,
      training,
      unshuffled: false,
      findings: [],
    });
    return [draw(0), ...Array.from({ length: draws - 1 }, (_, i) => draw(i + 1))];
  },
});
