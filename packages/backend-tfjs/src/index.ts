import type { Backend, BackendDefinition, Executable } from '@kora-bench/core/backend';
import { EagerExecutable, EagerState, RunQueue } from '@kora-bench/core/backend';
import { z } from 'zod';
import type { OpenTfjs } from './devices/devices.js';
import { defaultDevice, devices, requireDevice } from './devices/devices.js';
import { openTfjs } from './devices/open-tfjs.js';
import { probeDevices } from './devices/probe.js';
import { TfjsEngine } from './engine/tfjs-engine.js';
import { peer } from './peer/usual-training.js';
import { engineTraits } from './rewrite/engine-traits.js';
import { prepareProgram } from './rewrite/prepare-program.js';

const options = z.strictObject({});

export type TfjsOptions = z.infer<typeof options>;

/** TensorFlow.js as a backend of the suite, on any of its engines. */
const definition: BackendDefinition<TfjsOptions> = {
  name: 'tfjs',
  description: 'Each program op by op in TensorFlow.js, on any of its engines.',
  defaultDevice,
  devices,
  options,
  async create(device) {
    return createBackend(await openTfjs(requireDevice(device)));
  },
  peer,
  probe: probeDevices,
};

function createBackend(open: OpenTfjs): Backend {
  const engine = new TfjsEngine(open);
  const queue = new RunQueue();
  const executables = new Set<Executable>();
  return {
    name: definition.name,
    device: open.description,
    versions: open.versions,
    async compile(program, weights) {
      const prepared = prepareProgram(program, engineTraits[open.device]);
      const executable = new EagerExecutable({ engine, queue, given: program, prepared, weights });
      executables.add(executable);
      return executable;
    },
    async createState(values) {
      return new EagerState(engine, queue, values);
    },
    async dispose() {
      await Promise.all([...executables].map((executable) => executable.dispose()));
      executables.clear();
    },
  };
}

export default definition;
