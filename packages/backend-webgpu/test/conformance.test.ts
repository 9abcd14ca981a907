import definition from '@kora-bench/backend-webgpu';
import { describeBackend } from '@kora-bench/conformance';

describeBackend(definition);
