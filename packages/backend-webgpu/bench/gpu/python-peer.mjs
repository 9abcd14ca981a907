import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The option of the command line that names Python. */
export const pythonArgument = { python: { type: 'string', default: 'python3' } };

/**
 * Starts peer_pytorch.py.
 * @param python the interpreter to start
 * @returns `call(name, with)`, a promise of the answer of a method of the peer that rejects where the method
 *   failed, and `stop`
 * @throws Error when the interpreter cannot be started or ends before it has answered
 */
function startPythonPeer(python) {
  const script = fileURLToPath(new URL('peer_pytorch.py', import.meta.url));
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((_, reject) => {
    const fix = 'It needs the Python packages torch, timm, peft and safetensors; --python names another one.';
    child.once('error', ({ message }) => reject(new Error(`${python} did not start: ${message}. ${fix}`)));
    child.once('exit', (code) => reject(new Error(`${python} ended with code ${code}; see above. ${fix}`)));
  });
  ended.catch(() => undefined);
  // The pipe breaks when the interpreter ends, which `ended` tells better.
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async call(name, args = {}) {
      child.stdin.write(`${JSON.stringify({ call: name, with: args })}\n`);
      const { value, done } = await Promise.race([lines.next(), ended]);
      if (done) return ended;
      const answer = JSON.parse(value);
      if (answer.error !== undefined) throw new Error(`PyTorch: ${answer.error}`);
      return answer;
    },
    stop: () => child.stdin.end(),
  };
}

/**
 * PyTorch's side with what it is, `about`; undefined where there is none, and then it says why: what this side
 * does is worth measuring all the same.
 */
export async function openPeer(python) {
  const peer = startPythonPeer(python);
  try {
    return { ...peer, about: await peer.call('describe') };
  } catch (error) {
    console.log(`without PyTorch: ${error.message}`);
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
