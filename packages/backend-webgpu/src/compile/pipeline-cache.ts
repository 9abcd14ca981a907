import { BackendError } from '@kora-bench/core/errors';

/** Compiled kernels of a device by their code: blocks of a model share theirs. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** @throws BackendError when the driver refuses the kernel */
  get(code: string): Promise<GPUComputePipeline> {
    let pipeline = this.#pipelines.get(code);
    if (pipeline === undefined) {
      pipeline = this.#compile(code);
      this.#pipelines.set(code, pipeline);
    }
    return pipeline;
  }

  async #compile(code: string): Promise<GPUComputePipeline> {
    try {
      const module = this.#device.createShaderModule({ code });
      return await this.#device.createComputePipelineAsync({
        layout: 'auto',
        compute: { module, entryPoint: 'main' },
      });
    } catch (cause) {
      throw new BackendError('The driver refused a kernel.', {
        where: 'webgpu',
        received: cause instanceof Error ? cause.message : String(cause),
        fix: 'This is a fault of the backend or the driver, please report it with the program.',
        cause,
      });
    }
  }
}
