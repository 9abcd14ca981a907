import { FormatError } from '@kora-bench/core/errors';
import type { HostTensor, Weights } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import type {
  AdapterLayer,
  PeftConfig,
  PeftForm,
  PeftReadContext,
  PeftWriteContext,
} from '@kora-bench/core/peft';
import {
  adapterConfigFile,
  kindsAndBlocks,
  layersOfAdapter,
  patternEntry,
  peftPrefix,
  readPeftFields,
  refuseFeatures,
  requireParameter,
  targetsOf,
} from '@kora-bench/core/peft';
import { z } from 'zod';
import type { LoraOptions } from './options.js';
import { adaptedLayers, matrixA, matrixB, trainsBias } from './parameters.js';
import type { LoraModule } from './peft-fusion.js';
import { loraModules, moduleFields } from './peft-fusion.js';
import { pissaStart } from './pissa.js';

const rank = z
  .int('an integer from 1 to 1024')
  .min(1, 'an integer from 1 to 1024')
  .max(1024, 'an integer from 1 to 1024');
/** Far from where float32 ends, so that what is computed with it is finite. */
const alphaRange = 'a number from 1e-8 to 1e8';
const alpha = z.number(alphaRange).min(1e-8, alphaRange).max(1e8, alphaRange);
const flag = z.boolean('true or false');
const pattern = <Value extends z.ZodType>(value: Value) =>
  z.record(z.string(), value, 'an object of numbers by the names of layers').default({} as never);

/** The fields of `adapter_config.json` that are read, and what they may be. */
const fieldsSchema = z.looseObject({
  r: rank,
  lora_alpha: alpha,
  lora_dropout: z
    .number('a number from 0 to below 1')
    .min(0, 'a number from 0 to below 1')
    .lt(1, 'a number from 0 to below 1')
    .default(0),
  use_rslora: flag.default(false),
  rank_pattern: pattern(rank),
  alpha_pattern: pattern(alpha),
  bias: z.enum(['none', 'all', 'lora_only'], 'none, all or lora_only').default('none'),
  // OLoRA, CorDA, LoftQ and PiSSA by a randomised decomposition start from changed base weights, which the files don't hold.
  init_lora_weights: z
    .union(
      [z.boolean(), z.enum(['gaussian', 'orthogonal', 'eva', 'pissa'])],
      'true, false, gaussian, orthogonal, eva or pissa: others change the base weights',
    )
    .default(true),
});
export type PeftFields = z.infer<typeof fieldsSchema>;

/** What peft's other forms of LoRA are called where they are refused. */
const features = {
  alora_invocation_tokens: 'activated LoRA',
  arrow_config: 'Arrow routing',
  fan_in_fan_out: 'weights stored as [in, out]',
  kasa_config: 'KaSA',
  layer_replication: 'repeated layers',
  lora_bias: 'a bias in each adapter',
  monteclora_config: 'Monte Carlo LoRA',
  target_parameters: 'adapters on parameters',
  trainable_token_indices: 'trained tokens',
  use_bdlora: 'block-diagonal LoRA',
  use_dora: 'DoRA',
  use_qalora: 'QA-LoRA',
  velora_config: 'VeLoRA',
};

/** How they start, and how they are stored or split over devices: nothing that a trained adapter depends on. */
const harmless = [
  'corda_config',
  'eva_config',
  'lora_ga_config',
  'loftq_config',
  'megatron_config',
  'use_rslora',
  'runtime_config',
];

/**
 * Reads the matrices of all layers and the trained biases, as LoRA and DoRA share them.
 * @param ownFlag the field that turns on the caller's method
 */
export function readLoraLayers(
  context: PeftReadContext,
  ownFlag?: 'use_dora',
): {
  readonly fields: PeftFields;
  readonly options: Omit<LoraOptions, 'init' | 'loraPlus' | 'dropout' | 'includeUnusedClassifier'>;
  readonly layers: readonly AdapterLayer[];
  readonly values: Map<string, HostTensor>;
} {
  const { config, tensors, model } = context;
  const fields = readPeftFields(config, fieldsSchema);
  refuseFeatures(config, features, ownFlag === undefined ? harmless : [...harmless, ownFlag]);
  const layers = layersOfAdapter(context, matrixA);
  const { kinds, blocks } = kindsAndBlocks(layers, model);
  const values = new Map<string, HostTensor>();
  const ranks: [string, number][] = [];
  const alphas: [string, number][] = [];
  for (const { name, inFeatures, outFeatures } of layers) {
    const own = patternEntry(fields.rank_pattern, name, 'rank_pattern') ?? fields.r;
    const alpha = patternEntry(fields.alpha_pattern, name, 'alpha_pattern') ?? fields.lora_alpha;
    if (own !== fields.r) ranks.push([name, own]);
    if (alpha !== fields.lora_alpha) alphas.push([name, alpha]);
    values.set(`${name}.${matrixA}`, tensors.take(`${peftPrefix}${name}.${matrixA}`, [own, inFeatures]));
    values.set(`${name}.${matrixB}`, tensors.take(`${peftPrefix}${name}.${matrixB}`, [outFeatures, own]));
  }
  const options = {
    rank: fields.r,
    alpha: fields.lora_alpha,
    scaling: fields.use_rslora ? ('alpha/sqrt(r)' as const) : ('alpha/r' as const),
    targets: targetsOf(kinds),
    ...(blocks && { blocks: [...blocks] }),
    ...(ranks.length > 0 && { rankPattern: byKind(ranks, layers) }),
    ...(alphas.length > 0 && { alphaPattern: byKind(alphas, layers) }),
    ...(fields.bias !== 'none' && { bias: fields.bias }),
  };
  for (const [name, shape] of model.weights) {
    if (!trainsBias(name, options)) continue;
    const [inside, outside] = biasNames(name);
    const stored = [inside, outside].find((one) => tensors.shapeOf(one) !== undefined);
    if (stored !== undefined) values.set(name, tensors.take(stored, shape));
  }
  return { fields, options, layers, values };
}

/** Entries by single layers as entries by kinds, where all layers of a kind agree. */
function byKind(
  entries: readonly (readonly [layer: string, value: number])[],
  layers: readonly AdapterLayer[],
): Record<string, number> {
  const kindOf = new Map(layers.map(({ name, kind }) => [name, kind]));
  return Object.fromEntries(
    [...new Set(entries.map(([name]) => kindOf.get(name)!))].flatMap((kind) => {
      const own = entries.filter(([name]) => kindOf.get(name) === kind);
      const whole = own.length === layers.filter((layer) => layer.kind === kind).length;
      const agree = own.every(([, value]) => value === own[0]![1]);
      return whole && agree ? [[kind, own[0]![1]] as const] : own;
    }),
  );
}

/** A bias of the backbone as peft names it in an adapted layer, and in others. */
function biasNames(name: string): [inside: string, outside: string] {
  return [`${peftPrefix}${name.replace(/bias$/, 'base_layer.bias')}`, `${peftPrefix}${name}`];
}

/** Fields and tensors of modules with LoRA's matrices and of the trained biases, as LoRA and DoRA share them. */
export function writeLoraModules(
  {
    model,
    options,
    values,
  }: Pick<
    PeftWriteContext<Pick<LoraOptions, 'scaling' | 'bias' | 'targets' | 'blocks'>>,
    'model' | 'options' | 'values'
  >,
  modules: readonly LoraModule[],
): { readonly config: PeftConfig; readonly tensors: Map<string, HostTensor> } {
  const tensors = new Map<string, HostTensor>();
  for (const { name, a, b } of modules)
    tensors.set(`${peftPrefix}${name}.${matrixA}`, a).set(`${peftPrefix}${name}.${matrixB}`, b);
  for (const [name, shape] of model.weights) {
    if (!trainsBias(name, options)) continue;
    const [inside, outside] = biasNames(name);
    const isInside = modules.some((module) => name === `${module.name}.bias`);
    tensors.set(isInside ? inside : outside, requireParameter(values, name, shape));
  }
  const { bias = 'none' } = options;
  return {
    config: { ...moduleFields(model, modules, options.scaling), bias, fan_in_fan_out: false },
    tensors,
  };
}

export const loraForm: PeftForm<LoraOptions> = {
  type: 'LORA',
  write({ model, options, values, base, pretrained }) {
    const layers = adaptedLayers(model, options);
    // Adapters that start as PiSSA sit on residual weights, which the folder does not hold. What they have become
    // since their start is an adapter of twice the rank on the weights themselves.
    const isMoved = options.init === 'pissa' && base === 'checkpoint';
    const start = isMoved ? startOf(model, options, pretrained) : undefined;
    const content = writeLoraModules({ model, options, values }, loraModules(model, layers, values, start));
    return {
      ...content,
      config: { ...content.config, lora_dropout: options.dropout, init_lora_weights: true },
    };
  },
  read(context) {
    const { fields, options: shared, values } = readLoraLayers(context);
    const pissa = fields.init_lora_weights === 'pissa';
    const options: LoraOptions = {
      ...shared,
      init: pissa ? 'pissa' : 'kaiming',
      loraPlus: 1,
      dropout: fields.lora_dropout,
      includeUnusedClassifier: false,
    };
    if (!pissa) return { options, values };
    const { model, pretrained } = context;
    if (pretrained === undefined) {
      throw new FormatError(
        'An adapter that started as PiSSA changes the base weights, which were not given.',
        {
          where: `${adapterConfigFile}: init_lora_weights`,
          expected: 'the weights of the checkpoint that the adapter is for',
          received: 'none',
          fix: 'Pass them as well; peft makes their residuals when it loads the adapter, as is done here.',
        },
      );
    }
    const start = startOf(model, options, (name) => pretrained.get(name)!);
    const residuals = [...start].filter(([name]) => model.weights.has(name));
    return { options, values: new Map([...values, ...residuals]) };
  },
};

function startOf(
  model: Architecture,
  options: LoraOptions,
  pretrained: (name: string) => HostTensor,
): Weights {
  const adapted = adaptedLayers(model, options).map(({ weight }) => [weight, pretrained(weight)] as const);
  return pissaStart({ model, options, weights: new Map(adapted) });
}
