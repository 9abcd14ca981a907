import type { CkaResult } from './cka-schema.js';

/** What was compared, as the beginning of a sentence. */
export function describeCka(result: CkaResult): string {
  const { kernel, bandwidth, tokens, layers, examples, phase, estimator, batchSize } = result;
  const kind =
    kernel === 'linear' ? 'Linear CKA' : `CKA with an RBF kernel of ${bandwidth} times the median distance,`;
  const of = { class: 'the class tokens', 'patch-mean': 'the means of the patches', all: 'all tokens' }[
    tokens
  ];
  const sites = new Set(layers.map((name) => name.replace(/^blocks\.\d+\./, '')));
  const where = isOfBlocks(result) ? 'after each block' : `at ${[...sites].join(', ')}`;
  const batches = estimator === 'exact' ? '' : `, in random batches of ${batchSize}`;
  return `${kind} of ${of} ${where} over ${examples} test images of the phase ${phase}${batches}`;
}

/** Whether its layers are the blocks, one each. */
export function isOfBlocks({ layers }: Pick<CkaResult, 'layers'>): boolean {
  return layers.every((name) => /^blocks\.\d+$/.test(name));
}
