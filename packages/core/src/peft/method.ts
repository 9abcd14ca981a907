import type { z } from 'zod';
import type { Shape } from '../graph/shape.js';
import type { Architecture } from '../nn/architecture.js';
import type { ForwardHooks } from '../nn/site.js';
import type { HostTensor, Weights } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ParameterSpec, UpdateFactors } from './parameter.js';
import type { PeftForm } from './peft-form.js';

/** What a method's hooks are built from, once per traced program. */
export interface MethodBinding<Options> {
  readonly model: Architecture;
  readonly options: Options;
  /** The stage being traced; see {@link MethodStage}. */
  readonly stage: string;
  /**
   * The tensor of one of the method's own parameters or of one of the backbone's weights, e.g.
   * `blocks.3.attn.qkv.weight`.
   * @throws InputError for a name that is neither, with the nearest that is
   */
  parameter(name: string): Tensor;
  /** The batch size B of the program that is traced. */
  readonly batchSize: number;
  /**
   * Bernoulli noise for training: 1 with probability `keep` and 0 otherwise, new in every step, a pure function of
   * seed, step and `name` on all backends. Absent where the model is evaluated. {@link dropout} and {@link dropPath}
   * are made of it.
   * @param name unique in the method
   * @param shape begins with B, e.g. `[B, N, D]`
   */
  readonly noise?: (name: string, shape: Shape, keep: number) => Tensor;
}

/** What a method does in a forward pass, and to the loss. */
export interface MethodHooks extends ForwardHooks {
  /** A scalar that is added to the loss. */
  penalty?(): Tensor;
}

/** What start values may be computed from. */
export interface InitializeContext<Options> {
  readonly model: Architecture;
  readonly options: Options;
  readonly seed: number;
  /** The backbone's weights and the method's parameters as their `init` started them. */
  readonly weights: Weights;
  /**
   * What the layers at `sites` read, `[B, N, in]` per batch, while the untouched backbone sees training images:
   * for starts that depend on the data.
   * @throws InputError where there are no images to show, as in a count
   */
  siteInputs(sites: readonly string[], batches: number): Promise<ReadonlyMap<string, readonly HostTensor[]>>;
}

/** One part of a method's training; most methods have a single one. */
export interface MethodStage {
  readonly name: string;
  /** Which of the method's own parameters train in this stage; the others stay as they are. */
  trains(parameter: string): boolean;
  /**
   * Share of the run’s epochs that the stage trains for, in (0, 1]. 1 for the last stage, which trains the task’s head:
   * it has the epochs that the head of any other method has. Stages before it come on top.
   */
  readonly share: number;
  /**
   * Train on the examples of a part of the classes only, under a head of its own that is thrown away:
   * part `index` of `of` equal parts in label order.
   */
  readonly classPart?: { readonly index: number; readonly of: number };
}

/** What a method package registers: the whole method, in a few lines of tensor code. */
export interface MethodDefinition<Options = unknown> {
  readonly name: string;
  readonly description: string;
  /** Where the method was published, or what it reproduces. */
  readonly source: string;
  /** Validates options and fills in defaults; unknown ones are rejected (`z.strictObject`). */
  readonly options: z.ZodType<Options>;
  /** Named sets of options, e.g. `published`. */
  readonly presets?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /**
   * Rates that a search for the learning rate tries (`--learning-rates default`). Absent: five around the rate that
   * the method has in the suite. Methods are compared fairly where each tries as many.
   */
  readonly learningRates?: readonly number[];
  /** The parameters that the method adds and counts, whether or not the forward pass uses them all. */
  parameters(model: Architecture, options: Options): readonly ParameterSpec[];
  /** Parameters that exist but that the method's published count leaves out; part of `parameters`. */
  uncounted?(name: string, options: Options): boolean;
  /** Which of the backbone's own weights (timm's names) train; none by default. */
  trainsBackbone?(name: string, options: Options): boolean;
  /**
   * Factors on the updates of the backbone's weights that train. By default vectors, positions and tokens have no
   * weight decay, as in timm.
   */
  backboneUpdate?(name: string, options: Options): UpdateFactors;
  /** Builds the hooks that the model calls. Absent: the model stays as it is. */
  attach?(binding: MethodBinding<Options>): MethodHooks;
  /**
   * Whether training starts from the backbone's own forward pass; true by default. Audits and tests hold the method
   * to it.
   */
  startsAtBackbone?(options: Options): boolean;
  /**
   * Start values that depend on the weights, or on what the layers read: the method's own parameters, or weights of
   * the backbone in another form (their residual). What it leaves out starts as its `init` says.
   */
  initialize?(context: InitializeContext<Options>): Weights | Promise<Weights>;
  /** Training in several stages; a single one by default. */
  stages?(options: Options): readonly MethodStage[];
  /**
   * Folds trained parameters into the backbone's weights, so that the plain model gives the same
   * result: returns the changed weights by their names. What the `weight` and `bias` hooks do merges by itself;
   * absent where nothing else can be merged.
   */
  merge?(weights: Weights, parameters: Weights, model: Architecture, options: Options): Weights;
  /** How its parameters stand in an adapter folder of Hugging Face peft; absent where peft has no such method. */
  readonly peft?: PeftForm<Options>;
  /** Weaknesses of a configuration that a reader of results must know, as findings of the audit. */
  caveats?(options: Options): readonly MethodCaveat[];
}

export interface MethodCaveat {
  /** Stable code, e.g. `FROZEN_PROJECTION`. */
  readonly code: string;
  readonly message: string;
}

/** A method with validated options, ready to be traced. */
export interface ConfiguredMethod {
  readonly definition: MethodDefinition;
  readonly options: unknown;
}

/** A method that leaves the backbone as it is: of the one given, the name and the stages are left. */
export function withoutMethod({ definition, options }: ConfiguredMethod): ConfiguredMethod {
  return { definition: { ...definition, attach: () => ({}), parameters: () => [] }, options };
}

/** Types a method definition by its options schema. */
export function defineMethod<Options>(definition: MethodDefinition<Options>): MethodDefinition<Options> {
  return definition;
}

/** The stages of a method; one that trains everything where it names none. */
export function stagesOf({ definition, options }: ConfiguredMethod): readonly MethodStage[] {
  return definition.stages?.(options) ?? [{ name: 'train', trains: () => true, share: 1 }];
}
