import { FormatError, InputError } from '@kora-bench/core/errors';
import type { HostTensor, Shape, Weights } from '@kora-bench/core/graph';
import { formatShape, sameShape } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import type { LinearTarget } from '@kora-bench/core/peft';
import { allLinear } from '@kora-bench/core/peft';
import { readSafetensors, writeSafetensors } from '@kora-bench/core/safetensors';
import type { LoraOptions } from './options.js';
import { loraParameters, unusedClassifier } from './parameters.js';
import type { PeftLoraConfig } from './peft-config.js';
import { parsePeftConfig, peftScaling } from './peft-config.js';

const prefix = 'base_model.model.';
const file = 'adapter_model.safetensors';
const headNames = ['head.weight', 'head.bias'] as const;

/** The two files of a Hugging Face peft adapter folder, in memory. */
export interface PeftAdapter {
  /** The content of `adapter_config.json`, to be written with JSON.stringify. */
  readonly config: PeftLoraConfig;
  /** The bytes of `adapter_model.safetensors`. */
  readonly safetensors: Uint8Array;
}

/**
 * A trained adapter in the form that `PeftModel.from_pretrained` loads onto the timm model. A head
 * (`head.weight` `[C, D]` and `head.bias` `[C]` among `parameters`) is saved as peft's `modules_to_save`.
 * The adapter of the unused classifier is left out: the forward pass never uses it.
 * @throws InputError for a target that peft cannot address, PiSSA’s start, or a missing or misshapen parameter
 */
export function toPeftAdapter(parameters: Weights, model: Architecture, options: LoraOptions): PeftAdapter {
  const targets: readonly LinearTarget[] = options.targets === 'all-linear' ? allLinear : options.targets;
  const part = targets.find((target) => /^attn\.[qkv]$/.test(target));
  if (part !== undefined) {
    throw new InputError('peft has no adapter on a part of the fused qkv layer.', {
      where: 'options.targets',
      expected: 'attn.qkv, attn.proj, mlp.fc1, mlp.fc2 or all-linear',
      received: part,
      fix: 'Train with the target attn.qkv, or merge the adapter into the weights instead.',
    });
  }
  if (options.init === 'pissa') {
    throw new InputError(
      'An adapter that started as PiSSA needs its residual weights, which peft’s folder does not hold.',
      {
        where: 'options.init',
        expected: 'kaiming',
        received: options.init,
        fix: 'Merge the adapter into the weights instead.',
      },
    );
  }
  const tensors = new Map<string, HostTensor>();
  for (const { name, shape } of adapterShapes(model, options)) {
    tensors.set(prefix + name, checked(parameters.get(name), name, shape));
  }
  const hasHead = headNames.some((name) => parameters.has(name));
  if (hasHead) {
    const classes = parameters.get('head.bias')?.shape[0] ?? 0;
    tensors.set(
      `${prefix}head.weight`,
      checked(parameters.get('head.weight'), 'head.weight', [classes, model.featureWidth]),
    );
    tensors.set(`${prefix}head.bias`, checked(parameters.get('head.bias'), 'head.bias', [classes]));
  }
  const config: PeftLoraConfig = {
    peft_type: 'LORA',
    task_type: null,
    base_model_name_or_path: model.name,
    inference_mode: true,
    ...peftScaling(options),
    lora_dropout: options.dropout,
    bias: 'none',
    fan_in_fan_out: false,
    target_modules: targets,
    modules_to_save: hasHead ? ['head'] : null,
  };
  return { config, safetensors: writeSafetensors(tensors, { format: 'pt' }) };
}

export interface LoadedAdapter {
  readonly options: LoraOptions;
  /** By this package's names, and the head (`head.weight`, `head.bias`) where the adapter has one. */
  readonly parameters: ReadonlyMap<string, HostTensor>;
}

/**
 * Reads a peft adapter that was trained on the timm model `model`. What the adapter sits on is taken from
 * the names of its tensors, so any `target_modules`, list or expression, is understood.
 * @param configJson the text of `adapter_config.json`
 * @param safetensors the bytes of `adapter_model.safetensors`
 * @throws FormatError naming the field or tensor that is corrupt, surplus, missing, misshapen or not supported
 */
export function fromPeftAdapter(
  configJson: string,
  safetensors: Uint8Array,
  model: Architecture,
): LoadedAdapter {
  const config = parsePeftConfig(configJson);
  const stored = readSafetensors(safetensors, file).tensors;
  const parameters = new Map<string, HostTensor>();
  for (const [name, tensor] of stored) parameters.set(ownName(name), tensor);
  const options: LoraOptions = {
    rank: config.r,
    alpha: config.lora_alpha,
    scaling: config.use_rslora ? 'alpha/sqrt(r)' : 'alpha/r',
    targets: targetsOf([...parameters.keys()]),
    init: 'kaiming',
    loraPlus: 1,
    dropout: config.lora_dropout,
    includeUnusedClassifier: false,
  };
  const expected = new Map<string, Shape>(
    adapterShapes(model, options).map(({ name, shape }) => [name, shape]),
  );
  if (headNames.some((name) => parameters.has(name))) {
    const classes = parameters.get('head.bias')?.shape[0] ?? 0;
    expected.set('head.weight', [classes, model.featureWidth]).set('head.bias', [classes]);
  }
  for (const [name, shape] of expected) checkStored(parameters.get(name), prefix + name, shape);
  const surplus = [...parameters.keys()].find((name) => !expected.has(name));
  if (surplus !== undefined) {
    throw new FormatError(`The adapter has a tensor that ${model.name} has no place for.`, {
      where: `${file}: ${prefix}${surplus}`,
      expected: `adapters in the blocks 0 … ${model.depth - 1}, and the head`,
      received: surplus,
      fix: 'Read it with the model that it was trained on.',
    });
  }
  return { options, parameters };
}

function adapterShapes(model: Architecture, options: LoraOptions) {
  return loraParameters(model, options).filter(({ name }) => !name.startsWith(unusedClassifier));
}

function ownName(name: string): string {
  const own = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  const adapter = /^blocks\.\d+\.(.+)\.lora_[AB]\.weight$/.exec(own)?.[1];
  const known = allLinear.some((layer) => layer === adapter) || headNames.some((head) => head === own);
  if (known) return own;
  throw new FormatError(
    'The adapter changes something other than the linear layers of the blocks and the head.',
    {
      where: `${file}: ${name}`,
      expected: `${prefix}blocks.<i>.<attn.qkv|attn.proj|mlp.fc1|mlp.fc2>.lora_<A|B>.weight, or ${prefix}head.<weight|bias>`,
      received: name,
      fix: 'Train it with target_modules among attn.qkv, attn.proj, mlp.fc1, mlp.fc2 and modules_to_save=["head"].',
    },
  );
}

function targetsOf(names: readonly string[]): LoraOptions['targets'] {
  const found = allLinear.filter((target) => names.some((name) => name.includes(`.${target}.lora_`)));
  if (found.length === 0) {
    throw new FormatError('The adapter holds no LoRA matrices.', {
      where: file,
      expected: `tensors such as ${prefix}blocks.0.attn.qkv.lora_A.weight`,
      received: names.length === 0 ? 'no tensors' : names.join(', '),
    });
  }
  return found.length === allLinear.length ? 'all-linear' : found;
}

function checked(tensor: HostTensor | undefined, name: string, shape: Shape): HostTensor {
  if (tensor !== undefined && sameShape(tensor.shape, shape)) return tensor;
  throw new InputError(`The parameter ${name} does not fit.`, {
    where: name,
    expected: formatShape(shape),
    received: tensor === undefined ? 'nothing' : formatShape(tensor.shape),
    fix: 'Pass the trained parameters of the same model and options.',
  });
}

function checkStored(tensor: HostTensor | undefined, name: string, shape: Shape): void {
  if (tensor !== undefined && sameShape(tensor.shape, shape)) return;
  throw new FormatError('A tensor of the adapter does not fit the model.', {
    where: `${file}: ${name}`,
    expected: formatShape(shape),
    received: tensor === undefined ? 'nothing' : formatShape(tensor.shape),
    fix: 'Read it with the model that it was trained on; adapters on a part of the blocks are not supported.',
  });
}
