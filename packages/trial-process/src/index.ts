export type { TrialEnd } from './run-trial.js';
export { runTrial } from './run-trial.js';
