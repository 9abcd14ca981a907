import { referenceBackend } from './reference-backend.js';

export { interpret } from './interpret.js';
export type { ReferenceOptions } from './reference-backend.js';
export { referenceBackend };
export default referenceBackend;
