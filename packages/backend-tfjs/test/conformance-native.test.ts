import definition from '@kora-bench/backend-tfjs';
import { describeBackend } from '@kora-bench/conformance';
import { withDevice } from './with-device.js';

withDevice('node', () => describeBackend(definition, { device: 'node' }));
