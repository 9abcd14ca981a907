export type { PytorchProcess, PytorchVersions } from './python-process.js';
export { openPytorch } from './python-process.js';
export type { PytorchPeerOptions } from './pytorch-peer.js';
export { pytorchPeer } from './pytorch-peer.js';
export type { TrainingFiles } from './training-files.js';
export { loadTraining, trainingFiles } from './training-files.js';
