import { vitArchitecture } from '@kora-bench/core/nn';

/** Options of the command line that size the model, for `parseArgs`. */
export const modelArguments = ({ width, heads }) => ({
  depth: { type: 'string', default: '12' },
  width: { type: 'string', default: String(width) },
  heads: { type: 'string', default: String(heads) },
  image: { type: 'string', default: '224' },
});

/** The ViT/16 that these options describe. */
export function modelOf({ depth, width, heads, image }) {
  return vitArchitecture({
    name: `vit_${width}x${depth}_patch16_${image}`,
    imageSize: [Number(image), Number(image)],
    patchSize: 16,
    width: Number(width),
    depth: Number(depth),
    heads: Number(heads),
    mlpWidth: 4 * Number(width),
    numClasses: 0,
    layerNormEps: 1e-6,
  });
}
