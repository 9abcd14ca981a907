import type { Architecture } from '../nn/architecture.js';
import type { HostTensor, Weights } from '../tensor/host-tensor.js';
import type { AdapterTensors } from './adapter-tensors.js';

/** The fields of peft's `adapter_config.json`. */
export type PeftConfig = Readonly<Record<string, unknown>>;

/** What peft puts before the name of a module: `base_model.model.blocks.0.attn.qkv.lora_A.weight`. */
export const peftPrefix = 'base_model.model.';

/** A trained method, to be written as an adapter. */
export interface PeftWriteContext<Options> {
  readonly model: Architecture;
  readonly options: Options;
  /** The method's own parameters and, where it trains them, weights of the backbone, by this suite's names. */
  readonly values: Weights;
  /**
   * Which weights of the backbone it is for: the checkpoint's, onto which peft loads an adapter, or those from which
   * training starts, where a method changes them before (PiSSA).
   */
  readonly base: 'checkpoint' | 'start';
  /** The backbone's weights as its checkpoint has them. @throws InputError where the caller has none */
  pretrained(name: string): HostTensor;
}

/** What a method adds to an adapter folder. */
export interface PeftContent {
  /** Fields of `adapter_config.json` beside those that every adapter has. */
  readonly config: PeftConfig;
  /** By peft's names, with their prefix; without the head. */
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/** An adapter folder, to be read. */
export interface PeftReadContext {
  /** Its configuration without the fields that are null. */
  readonly config: PeftConfig;
  /** Every tensor is a real one with finite numbers; those that nobody takes are refused. */
  readonly tensors: AdapterTensors;
  readonly model: Architecture;
  /** The backbone's weights as its checkpoint has them, where the caller has them. */
  readonly pretrained?: Weights;
}

/** An adapter in this suite's terms. */
export interface PeftReading {
  /** The method's options, as a suite would give them. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The method's own parameters and weights of the backbone in another form, by this suite's names. */
  readonly values: ReadonlyMap<string, HostTensor>;
}

/** How a method's parameters stand in an adapter folder of Hugging Face peft. */
export interface PeftForm<Options> {
  /** peft's `peft_type`, e.g. `LORA`. */
  readonly type: string;
  /** The field that is true in adapters of this method and false in others of its type, e.g. `use_dora`. */
  readonly flag?: string;
  /** @throws InputError naming the option that peft has no counterpart of */
  write(context: PeftWriteContext<Options>): PeftContent;
  /** @throws FormatError naming the field or tensor that is wrong, or that the method cannot express */
  read(context: PeftReadContext): PeftReading;
}
