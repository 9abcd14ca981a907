import definition from '@kora-bench/backend-webgpu';
import { describeTraining, toyTrainingCases } from '@kora-bench/conformance';
import { withAdapter } from './with-adapter.js';

// Where the whole of conformance runs on another driver, the machine's own trains too.
withAdapter(() => describeTraining(definition, toyTrainingCases, { timeout: 300_000 }));
