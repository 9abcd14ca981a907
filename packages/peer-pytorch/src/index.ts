export type { PytorchProcess, PytorchVersions } from './python-process.js';
export { openPytorch } from './python-process.js';
export type { PytorchPeerOptions } from './pytorch-peer.js';
export { loadTraining, pytorchPeer } from './pytorch-peer.js';
