import { type ImageSplit, InputError, randomStream } from '@kora-bench/core';
import { membersByClass } from './members-by-class.js';
import { subset } from './subset.js';

/**
 * Draws `perClass` examples of every class, without replacement, in the order of the split. The draw of
 * a class depends on `seed` and on the number of examples of this class only.
 *
 * @throws InputError when a class has fewer examples, or when the split has no classes.
 */
export function perClassSubset(split: ImageSplit, perClass: number, seed: number): ImageSplit {
  if (!Number.isInteger(perClass) || perClass < 1) {
    throw new InputError('The number of examples per class is not valid.', {
      where: 'perClass',
      expected: 'an integer of at least 1',
      received: String(perClass),
      fix: 'Ask for one or more examples of each class.',
    });
  }
  if (split.task !== 'classification') {
    throw new InputError('A depth data set has no classes to draw from.', {
      where: split.dataset,
      expected: 'a classification data set',
      received: split.task,
      fix: 'Use a subset by indices instead.',
    });
  }
  const drawn = membersByClass(split).flatMap((members, label) => {
    if (members.length < perClass) throw tooFew(split, label, members.length, perClass);
    const order = randomStream(seed, `subset/class ${label}`).permutation(members.length);
    return Array.from(order.subarray(0, perClass), (place) => members[place]!);
  });
  return subset(
    split,
    drawn.sort((a, b) => a - b),
  );
}

function tooFew(split: ImageSplit, label: number, found: number, perClass: number): InputError {
  return new InputError('A class has fewer examples than asked for.', {
    where: `${split.dataset}, ${split.split}, class ${label} (${split.classNames[label]})`,
    expected: `at least ${perClass} examples`,
    received: String(found),
    fix: `Ask for at most ${found} a class, or use the whole data set.`,
  });
}
