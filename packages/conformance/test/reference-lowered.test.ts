import { referenceBackend } from '@kora-bench/backend-reference';
import { describeBackend } from '@kora-bench/conformance';

// Both sides compute in float64, one with composites evaluated by definition, one with their lowerings.
describeBackend(referenceBackend, {
  backendOptions: { lower: true },
  tolerances: { forward: 1e-10, gradient: 1e-10, training: 1e-8 },
});
