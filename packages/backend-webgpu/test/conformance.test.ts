import definition from '@kora-bench/backend-webgpu';
import { describeBackend } from '@kora-bench/conformance';
import { withAdapter } from './with-adapter.js';

// A software driver compiles the kernels of a training step when it first runs. What is not finite has its own file.
withAdapter(() => describeBackend(definition, { timeout: 900_000, notFinite: false }));
