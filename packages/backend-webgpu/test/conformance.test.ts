import definition from '@kora-bench/backend-webgpu';
import { describeBackend } from '@kora-bench/conformance';
import { withAdapter } from './with-adapter.js';

withAdapter(() => describeBackend(definition));
