import definition from '@kora-bench/backend-ort';
import { describeBackend } from '@kora-bench/conformance';

describeBackend(definition);
