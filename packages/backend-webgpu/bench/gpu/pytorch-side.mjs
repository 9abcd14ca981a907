import { openPytorch } from '@kora-bench/peer-pytorch';

/** The option of the command line that names Python. */
export const pythonArgument = { python: { type: 'string', default: 'python3' } };

/** PyTorch's side; undefined where there is none, and then it says why: what this side does is worth measuring all the same. */
export async function openPeer(python) {
  try {
    return await openPytorch(python);
  } catch (error) {
    console.log(`without PyTorch: ${error.message} ${error.received} Fix: ${error.fix}`);
    process.exitCode = 1;
    return undefined;
  }
}

/** PyTorch's side in words, and a warning where it has no GPU. */
export function describePeer(peer) {
  if (peer === undefined) return 'nothing';
  const { device, onGpu, versions } = peer.about;
  const { torch, cuda, timm, peft } = versions;
  const line = `PyTorch ${torch} on ${device}, CUDA ${cuda ?? 'none'}, timm ${timm}, peft ${peft}`;
  return onGpu
    ? line
    : `${line}\nPyTorch has no GPU here: this shows that the script runs, and compares nothing.`;
}
