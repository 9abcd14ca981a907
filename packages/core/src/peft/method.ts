import type { z } from 'zod';
import type { SiteHook } from '../nn/site.js';
import type { VitConfig } from '../nn/vit-config.js';
import type { Weights } from '../tensor/host-tensor.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ParameterSpec } from './parameter.js';

/** What a method's hook is built from, once per traced program. */
export interface MethodBinding<Options> {
  readonly model: VitConfig;
  readonly options: Options;
  /** The stage being traced; see {@link MethodStage}. */
  readonly stage: string;
  /** The tensor of one of the method's own parameters, trainable or trained, or of a backbone's weight by timm's name. */
  parameter(name: string): Tensor;
}

/** One part of a method's training; most methods have a single one. */
export interface MethodStage {
  readonly name: string;
  /** Which of the method's own parameters train in this stage; the others stay as they are. */
  trains(parameter: string): boolean;
  /** Share of the epochs spent here, in (0, 1]; the shares of all stages sum to 1. */
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
  parameters(model: VitConfig, options: Options): readonly ParameterSpec[];
  /** Parameters that exist but that the method's published count leaves out; part of `parameters`. */
  uncounted?(name: string, options: Options): boolean;
  /** Which of the backbone's own weights (timm's names) train; none by default. */
  trainsBackbone?(name: string, options: Options): boolean;
  /** Builds the hook that the model calls at every site. Absent: the model stays as it is. */
  attach?(binding: MethodBinding<Options>): SiteHook;
  /** Training in several stages; a single one by default. */
  stages?(options: Options): readonly MethodStage[];
  /**
   * Folds trained parameters into the backbone's weights, so that the plain model gives the same
   * result: returns the changed weights by timm's names. Absent when that is impossible.
   */
  merge?(weights: Weights, parameters: Weights, model: VitConfig, options: Options): Weights;
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

/** Types a method definition by its options schema. */
export function defineMethod<Options>(definition: MethodDefinition<Options>): MethodDefinition<Options> {
  return definition;
}

/** The stages of a method; one that trains everything where it names none. */
export function stagesOf({ definition, options }: ConfiguredMethod): readonly MethodStage[] {
  return definition.stages?.(options) ?? [{ name: 'train', trains: () => true, share: 1 }];
}
