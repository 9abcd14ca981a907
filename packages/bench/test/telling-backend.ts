import { referenceBackend } from '@kora-bench/backend-reference';
import type { Backend, ProgramMemory } from '@kora-bench/core/backend';

/** The interpreter, pretending that its programs take `memory` of a device, and start `dispatches` kernels. */
export async function tellingBackend(memory: ProgramMemory, dispatches?: number): Promise<Backend> {
  const backend = await referenceBackend.create('cpu', { lower: false });
  return {
    name: backend.name,
    device: backend.device,
    versions: backend.versions,
    async compile(program, weights) {
      const executable = await backend.compile(program, weights);
      return {
        memory,
        ...(dispatches !== undefined && { dispatches }),
        run: (options) => executable.run(options),
        dispose: () => executable.dispose(),
      };
    },
    createState: (values) => backend.createState(values),
    dispose: () => backend.dispose(),
  };
}
