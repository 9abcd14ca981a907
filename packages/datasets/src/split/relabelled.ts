import { createHash } from 'node:crypto';
import { type ImageSplit, InputError } from '@kora-bench/core';

/**
 * The same examples under other labels. It shares the pixel cache of `split`.
 *
 * @param labels `[length]`, from 0 to `classNames.length - 1`.
 * @throws InputError when they are not.
 */
export function relabelled(split: ImageSplit, labels: Int32Array, classNames: readonly string[]): ImageSplit {
  const outside = labels.findIndex((label) => label < 0 || label >= classNames.length);
  if (labels.length !== split.length || outside >= 0) {
    throw new InputError('The new labels do not fit the split.', {
      where: `${split.dataset}, ${split.split}`,
      expected: `${split.length} labels from 0 to ${classNames.length - 1}`,
      received: outside >= 0 ? `label ${labels[outside]} at ${outside}` : `${labels.length} labels`,
      fix: 'Give one label for each example, below the number of classes.',
    });
  }
  const fingerprint = createHash('sha256')
    .update(JSON.stringify({ of: split.fingerprint, labels: [...labels], classNames }))
    .digest('hex');
  return {
    dataset: split.dataset,
    split: split.split,
    task: 'classification',
    length: split.length,
    classNames,
    labels,
    paths: split.paths,
    fingerprint,
    notes: split.notes,
    contentHashes: (indices) => split.contentHashes(indices),
    open: (preprocessing) => split.open(preprocessing),
  };
}
