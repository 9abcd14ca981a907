import { FormatError, InputError } from '../errors/kora-error.js';
import type { Shape } from '../graph/shape.js';
import { formatShape, sameShape } from '../graph/shape.js';
import type { Architecture } from '../nn/architecture.js';
import { writeSafetensors } from '../safetensors/write.js';
import type { HostTensor, Weights } from '../tensor/host-tensor.js';
import { adapterConfigFile, parsePeftConfig, unsupportedField } from './adapter-config.js';
import { AdapterTensors, adapterFile } from './adapter-tensors.js';
import type { ConfiguredMethod, MethodDefinition } from './method.js';
import type { PeftConfig, PeftForm, PeftWriteContext } from './peft-form.js';
import { peftPrefix } from './peft-form.js';

/** The two files of an adapter folder of Hugging Face peft, in memory. */
export interface PeftAdapter {
  /** The content of `adapter_config.json`, to be written with JSON.stringify. */
  readonly config: PeftConfig;
  /** The bytes of `adapter_model.safetensors`. */
  readonly safetensors: Uint8Array;
}

export interface AdapterToWrite {
  readonly model: Architecture;
  readonly method: ConfiguredMethod;
  /**
   * The method's parameters, weights of the backbone that it trains, and `head.weight` `[C, F]` with or without
   * `head.bias` `[C]`, which are saved as peft's `modules_to_save`.
   */
  readonly values: Weights;
  /** The backbone's weights as its checkpoint has them: some forms are made with them. */
  readonly pretrained?: Weights;
  /** As in {@link PeftWriteContext}; `checkpoint` by default. */
  readonly base?: PeftWriteContext<unknown>['base'];
  /** How `peft` is told which model the adapter is for; the model's name by default. */
  readonly baseModel?: string;
}

/**
 * A trained method in the form that `PeftModel.from_pretrained` loads onto the timm model.
 * @throws InputError for a method or option that peft has no counterpart of, or a missing or misshapen value
 */
export function writePeftAdapter({
  model,
  method: { definition, options },
  values,
  pretrained,
  base = 'checkpoint',
  baseModel = model.name,
}: AdapterToWrite): PeftAdapter {
  const { peft, name } = definition;
  if (peft === undefined) {
    throw new InputError(`peft has no counterpart of the method ${name}.`, {
      where: 'method',
      expected: 'a method of peft’s',
      received: name,
      fix: 'Merge it into the weights instead, where the method can be merged.',
    });
  }
  const content = peft.write({ model, options, values, base, pretrained: lookup(pretrained) });
  const head = headOf(model, values);
  const tensors = new Map(content.tensors);
  for (const [own, tensor] of head) tensors.set(peftPrefix + own, tensor);
  return {
    config: {
      peft_type: peft.type,
      task_type: null,
      base_model_name_or_path: baseModel,
      inference_mode: true,
      ...content.config,
      modules_to_save: head.size > 0 ? ['head'] : null,
    },
    safetensors: writeSafetensors(tensors, { format: 'pt' }),
  };
}

/** The head that fits timm's classifier: none, or a weight with or without a bias. */
function headOf({ featureWidth }: Architecture, values: Weights): ReadonlyMap<string, HostTensor> {
  const head = new Map<string, HostTensor>();
  const [weight, bias] = [values.get('head.weight'), values.get('head.bias')];
  if (weight === undefined && bias === undefined) return head;
  const classes = weight?.shape[0] ?? 0;
  head.set('head.weight', requireParameter(values, 'head.weight', [classes, featureWidth]));
  if (bias !== undefined) head.set('head.bias', requireParameter(values, 'head.bias', [classes]));
  return head;
}

/** The value of a parameter. @throws InputError where it is missing or of another shape */
export function requireParameter(values: Weights, name: string, shape: Shape): HostTensor {
  const tensor = values.get(name);
  if (tensor !== undefined && sameShape(tensor.shape, shape)) return tensor;
  throw new InputError(`The parameter ${name} does not fit.`, {
    where: name,
    expected: formatShape(shape),
    received: tensor === undefined ? 'nothing' : formatShape(tensor.shape),
    fix: 'Pass the trained parameters of the same model and options.',
  });
}

export interface AdapterToRead {
  /** The text of `adapter_config.json`. */
  readonly config: string;
  /** The bytes of `adapter_model.safetensors`. */
  readonly safetensors: Uint8Array;
  /** The timm model that it was trained on. */
  readonly model: Architecture;
  /** The methods that it may be of. */
  readonly methods: Iterable<MethodDefinition>;
  /** As in {@link AdapterToWrite}. */
  readonly pretrained?: Weights;
}

export interface LoadedPeftAdapter {
  readonly method: ConfiguredMethod;
  /**
   * The method's parameters and weights of the backbone that the adapter changes, by this suite's names, and
   * `head.weight` and `head.bias` where the adapter has them.
   */
  readonly values: ReadonlyMap<string, HostTensor>;
}

/**
 * Reads a peft adapter that was trained on a timm model. What it sits on is taken from the names of its tensors, so
 * any `target_modules`, list or expression, is understood.
 * @throws FormatError naming the field or tensor that is corrupt, surplus, missing, misshapen or not supported
 */
export function readPeftAdapter(adapter: AdapterToRead): LoadedPeftAdapter {
  const { model } = adapter;
  const config = parsePeftConfig(adapter.config);
  const { definition, form } = methodOf(config, [...adapter.methods]);
  const tensors = new AdapterTensors(adapter.safetensors);
  const { pretrained } = adapter;
  const { options, values } = form.read({ config, tensors, model, ...(pretrained && { pretrained }) });
  const head = takeHead(config, tensors, model);
  const [surplus] = tensors.left;
  if (surplus !== undefined) {
    throw new FormatError(`The adapter has a tensor that ${model.name} has no place for.`, {
      where: `${adapterFile}: ${surplus}`,
      expected: `${form.type} adapters in the blocks 0 … ${model.depth - 1} of timm’s model, and its head`,
      received: surplus,
      fix: 'Read it with the model that it was trained on, loaded by timm when it was.',
    });
  }
  return {
    method: { definition, options: definition.options.parse(options) },
    values: new Map([...values, ...head]),
  };
}

function methodOf(
  config: PeftConfig,
  methods: readonly MethodDefinition[],
): { readonly definition: MethodDefinition; readonly form: PeftForm<unknown> } {
  const known = methods.flatMap((definition) =>
    definition.peft === undefined ? [] : [{ definition, form: definition.peft }],
  );
  const typed = known.filter(({ form }) => form.type === config.peft_type);
  const found =
    typed.find(({ form: { flag } }) => flag !== undefined && config[flag] === true) ??
    typed.find(({ form: { flag } }) => flag === undefined) ??
    typed[0];
  if (found !== undefined) return found;
  throw new FormatError('This is an adapter of a method that is not known here.', {
    where: `${adapterConfigFile}: peft_type`,
    expected: [...new Set(known.map(({ form }) => form.type))].join(', '),
    received: JSON.stringify(config.peft_type) ?? 'nothing',
    fix: 'Use an adapter of one of these types.',
  });
}

/** The head as peft saves it among `modules_to_save`, with or without its bias. */
function takeHead(
  config: PeftConfig,
  tensors: AdapterTensors,
  { featureWidth }: Architecture,
): ReadonlyMap<string, HostTensor> {
  const saved = config.modules_to_save ?? [];
  const more = Array.isArray(saved) ? saved.find((module) => module !== 'head') : saved;
  if (more !== undefined)
    throw unsupportedField('modules_to_save', 'other trained modules than the head', saved);
  const head = new Map<string, HostTensor>();
  const [weight, bias] = [`${peftPrefix}head.weight`, `${peftPrefix}head.bias`];
  // With the field `bias`, peft saves every bias that it finds in the head's wrapper, also under these names.
  for (const copy of ['modules_to_save', 'original_module'])
    tensors.leaveOut(`${peftPrefix}head.${copy}.bias`);
  const [shape, biasShape] = [tensors.shapeOf(weight), tensors.shapeOf(bias)];
  const listed = Array.isArray(saved) && saved.length > 0;
  if (shape === undefined && biasShape === undefined && !listed) return head;
  const classes = Math.max(1, shape?.[0] ?? biasShape?.[0] ?? 1);
  head.set('head.weight', tensors.take(weight, [classes, featureWidth]));
  if (biasShape !== undefined) head.set('head.bias', tensors.take(bias, [classes]));
  return head;
}

function lookup(pretrained: Weights | undefined): (name: string) => HostTensor {
  return (name) => {
    const found = pretrained?.get(name);
    if (found !== undefined) return found;
    throw new InputError('This adapter is made with the backbone’s own weights, which were not given.', {
      where: 'pretrained',
      expected: `the weight ${name}`,
      received: 'nothing',
      fix: 'Pass the tensors of the checkpoint that the adapter is for.',
    });
  };
}
