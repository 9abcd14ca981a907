/* The contract of backends, and what they share. */
export type {
  Backend,
  BackendDefinition,
  DeviceProbe,
  DeviceState,
  Executable,
  ProgramMemory,
  RunOptions,
} from './backend/backend.js';
export { ownState, PairedState, type StateStorage } from './backend/paired-state.js';
export { checkWeights, RunQueue, runCheck } from './backend/runs.js';
