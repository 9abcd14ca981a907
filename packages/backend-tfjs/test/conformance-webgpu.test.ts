import definition from '@kora-bench/backend-tfjs';
import { describeBackend } from '@kora-bench/conformance';
import { withDevice } from './with-device.js';

// A software driver compiles the kernels of a training step when it first runs.
withDevice('webgpu', () => describeBackend(definition, { device: 'webgpu', timeout: 300_000 }));
