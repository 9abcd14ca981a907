import type { ImageSplit, Preprocessing } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { CkaKernel } from '@kora-bench/core/metrics';
import { LinearCka, MinibatchCka } from '@kora-bench/core/metrics';
import { withoutMethod } from '@kora-bench/core/peft';
import { randomStream } from '@kora-bench/core/random';
import type { ImageTokens, LayerFeatures, LayersProgram } from '@kora-bench/core/training';
import { buildLayersProgram } from '@kora-bench/core/training';
import { subset } from '@kora-bench/datasets';
import { finalStage, inOrder } from '@kora-bench/trainer';
import type { PlannedLook } from './analysis.js';
import type { CkaOptions } from './cka-schema.js';

/** What `sublayers` stands for: what attention and MLP add to the tokens, and the tokens after both. */
const sublayers = ['attn', 'mlp', 'output'];

/** The largest of the fractions of the median distance that Kornblith et al. 2019 report: 0.2, 0.4 and 0.8. */
const defaultBandwidth = 0.8;

const mebibyte = 2 ** 20;

/** How CKA will be computed, known before anything trains. */
export interface CkaPlan {
  readonly adapted: LayersProgram;
  /** The model without the method; absent where it is not looked at. */
  readonly backbone?: LayersProgram;
  /** Of either model. */
  readonly layers: readonly LayerFeatures[];
  readonly images: ImageSplit;
  /** Places in `images`, in the order in which they are looked at. */
  readonly order: Int32Array;
  readonly preprocessing: Preprocessing;
  readonly tokens: ImageTokens;
  readonly kernel: CkaKernel;
  readonly estimator: 'exact' | 'minibatch';
  readonly batchSize: number;
  readonly limitBytes: number;
}

/** @throws InputError for layers and tokens that the model does not have, and where the memory limit is too low */
export function planCka({ model, method, planned }: PlannedLook, options: CkaOptions): CkaPlan {
  const [draw] = planned.draws;
  const { split } = draw.evaluations[0];
  const count = Math.min(options.examples === 'all' ? split.length : options.examples, split.length);
  const tokens = options.tokens ?? (model.tokens.prefix.includes('class') ? 'class' : 'patch-mean');
  const kernel: CkaKernel =
    options.kernel === 'rbf'
      ? { kind: 'rbf', bandwidth: options.bandwidth ?? defaultBandwidth }
      : { kind: 'linear' };
  const streams = kernel.kind === 'linear' && tokens !== 'all';
  const estimator = options.estimator ?? (streams ? 'exact' : 'minibatch');
  const batchSize =
    estimator === 'exact'
      ? (options.batchSize ?? draw.training.batchSize)
      : Math.max(4, Math.min(options.batchSize ?? 64, count));
  const spec = {
    model,
    task: planned.taskFor(draw.train),
    batchSize,
    stage: finalStage(method),
    trains: ({ owner }: { readonly owner: string }) => owner === 'method',
  };
  const layersSpec = { layers: options.layers === 'sublayers' ? sublayers : options.layers, tokens };
  const adapted = buildLayersProgram({ ...spec, method }, layersSpec);
  const backbone =
    options.against === 'backbone'
      ? buildLayersProgram({ ...spec, method: withoutMethod(method) }, layersSpec)
      : undefined;
  const { layers } = adapted;
  const models = backbone === undefined ? 1 : 2;
  checkMemory({ layers, models, estimator, batchSize, count }, options.memoryMiB);
  return {
    adapted,
    ...(backbone && { backbone }),
    layers,
    images: subset(
      split,
      Array.from({ length: count }, (_, i) => Math.floor((i * split.length) / count)),
    ),
    order: estimator === 'exact' ? inOrder(count) : randomBatches(count, batchSize),
    preprocessing: draw.preprocessing,
    tokens,
    kernel,
    estimator,
    batchSize,
    limitBytes: Math.floor(options.memoryMiB * mebibyte),
  };
}

/**
 * The places 0 … count−1 in an order that is the same for all cells, without a last batch that is too small. Splits are
 * often sorted by class, and a batch of one class would tell nothing of what tells classes apart.
 */
function randomBatches(count: number, batchSize: number): Int32Array {
  const rest = count % batchSize;
  const order = randomStream(0, 'cka').permutation(count);
  return rest < 4 ? order.subarray(0, count - rest) : order;
}

interface MemoryNeeds {
  readonly layers: readonly LayerFeatures[];
  readonly models: number;
  readonly estimator: CkaPlan['estimator'];
  readonly batchSize: number;
  readonly count: number;
}

function checkMemory({ layers, models, estimator, batchSize, count }: MemoryNeeds, limitMiB: number): void {
  const widths = layers.map(({ features }) => features);
  const activations =
    Float32Array.BYTES_PER_ELEMENT * batchSize * widths.reduce((sum, width) => sum + width, 0);
  // Cross products need the same batch of both models at once, Gram matrices one model after the other.
  const needed =
    estimator === 'exact'
      ? models * activations + LinearCka.bytesFor(Array.from({ length: models }, () => widths).flat(), count)
      : activations + MinibatchCka.bytesFor(models * layers.length, batchSize);
  if (needed <= limitMiB * mebibyte) return;
  throw new InputError('CKA of so many layers does not fit into the memory that it may take.', {
    where: 'memoryMiB',
    expected: `room for ${Math.ceil(needed / mebibyte)} MiB: ${models * layers.length} layers of up to ${Math.max(...widths)} numbers an image and ${
      estimator === 'exact' ? `${count} images, all together` : `${batchSize} images at a time`
    }`,
    received: `${limitMiB} MiB`,
    fix:
      estimator === 'exact'
        ? 'Set estimator to "minibatch", name fewer layers or examples, or raise memoryMiB.'
        : 'Set a smaller batchSize, name fewer layers, or raise memoryMiB.',
  });
}
