import type { HostTensor, Weights } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import type { MethodDefinition, PeftAdapter } from '@kora-bench/core/peft';
import { readPeftAdapter, writePeftAdapter } from '@kora-bench/core/peft';
import { lora } from './method.js';
import type { LoraOptions } from './options.js';

/**
 * A trained adapter in the form that `PeftModel.from_pretrained` loads onto the timm model. A head
 * (`head.weight` `[C, D]` among `parameters`, with or without `head.bias` `[C]`) is saved as peft's `modules_to_save`.
 * The adapter of the unused classifier is left out: the forward pass never uses it.
 * @param pretrained the weights of the checkpoint; needed for an adapter that started as PiSSA alone
 * @throws InputError for a missing or misshapen parameter
 */
export function toPeftAdapter(
  parameters: Weights,
  model: Architecture,
  options: LoraOptions,
  pretrained?: Weights,
): PeftAdapter {
  return writePeftAdapter({
    model,
    method: { definition: lora as MethodDefinition, options },
    values: parameters,
    ...(pretrained && { pretrained }),
  });
}

/** An adapter of `lora` in this suite's terms. */
export interface LoadedAdapter {
  readonly options: LoraOptions;
  /**
   * By this package's names; the head (`head.weight`, `head.bias`) as far as the adapter has one, and the backbone's
   * weights that it changes: biases, and residuals of PiSSA.
   */
  readonly parameters: ReadonlyMap<string, HostTensor>;
}

/**
 * Reads a peft adapter that was trained on the timm model `model`; see `readPeftAdapter` of core.
 * @param configJson the text of `adapter_config.json`
 * @param safetensors the bytes of `adapter_model.safetensors`
 * @param pretrained the weights of the checkpoint; needed for an adapter that started as PiSSA alone
 * @throws FormatError naming the field or tensor that is corrupt, surplus, missing, misshapen or not supported
 */
export function fromPeftAdapter(
  configJson: string,
  safetensors: Uint8Array,
  model: Architecture,
  pretrained?: Weights,
): LoadedAdapter {
  const { method, values } = readPeftAdapter({
    config: configJson,
    safetensors,
    model,
    methods: [lora as MethodDefinition],
    ...(pretrained && { pretrained }),
  });
  return { options: method.options as LoraOptions, parameters: values };
}
