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
export {
  type EagerCompilation,
  type EagerEngine,
  EagerExecutable,
  EagerState,
} from './backend/eager-executable.js';
export { ownState, PairedState, type StateStorage } from './backend/paired-state.js';
export type { Peer, PeerDefinition, PeerTraining } from './backend/peer.js';
export { checkWeights, RunQueue, runCheck } from './backend/runs.js';
export type { ComputedNode, Kernel, ValueStore } from './passes/eager-plan.js';
