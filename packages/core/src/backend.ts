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
export { type EagerCompilation, EagerExecutable, EagerState } from './backend/eager-executable.js';
export {
  type ComputedNode,
  type EagerEngine,
  type EagerPlan,
  type EagerRun,
  type EagerStep,
  isSource,
  type Kernel,
  planEager,
  runEager,
} from './backend/eager-plan.js';
export { ownState, PairedState, type StateStorage } from './backend/paired-state.js';
export type { Peer, PeerDefinition, PeerTraining } from './backend/peer.js';
export { checkWeights, RunQueue, runCheck } from './backend/runs.js';
