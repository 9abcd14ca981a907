import { ShapeError, TrainingError } from '../../errors/kora-error.js';
import { formatShape, type Shape } from '../../graph/shape.js';

/** One layer's activations for a batch. */
export interface LayerBatch {
  readonly data: Float32Array;
  /** [B, D]: examples, features. */
  readonly shape: Shape;
}

/**
 * Checks the activations of a layer.
 * @throws ShapeError when they are not [batch, width], TrainingError when a value is not finite.
 */
export function checkLayer(name: string, { data, shape }: LayerBatch, batch: number, width: number): void {
  const where = `layer ${JSON.stringify(name)}`;
  const fits = shape.length === 2 && shape[0] === batch && shape[1] === width && batch > 0 && width > 0;
  if (!fits || data.length !== batch * width) {
    throw new ShapeError('The activations of a layer do not fit.', {
      where,
      expected: `[B, D] = ${formatShape([batch, width])}, neither of them 0`,
      received: `${formatShape(shape)} with ${data.length} numbers`,
    });
  }
  const bad = data.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) {
    throw new TrainingError('An activation is not finite.', {
      where: `${where}, example ${Math.floor(bad / width)}, feature ${bad % width}`,
      expected: 'finite numbers',
      received: String(data[bad]),
    });
  }
}
