import definition from '@kora-bench/backend-tfjs';
import { describeBackend } from '@kora-bench/conformance';

describeBackend(definition, { device: 'wasm' });
describeBackend(definition, { device: 'cpu' });
