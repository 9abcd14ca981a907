import { referenceBackend } from './reference-backend.js';

export type { ReferenceOptions } from './reference-backend.js';
export { referenceBackend };
export default referenceBackend;
