// Imported into the child process of the driver check: breaks the driver in the way that FAULT names.
import { writeSync } from 'node:fs';
import { globals } from 'webgpu';

const crash = () => process.kill(process.pid, 'SIGSEGV');
const { requestDevice } = globals.GPUAdapter.prototype;
const missing = (log) => () => {
  globals.GPU.prototype.requestAdapter = async () => {
    writeSync(2, log);
    return null;
  };
};

const faults = {
  'crashes with subgroups'() {
    globals.GPUAdapter.prototype.requestDevice = function (descriptor) {
      if (descriptor.requiredFeatures.includes('subgroups')) crash();
      return requestDevice.call(this, descriptor);
    };
  },
  'crashes always'() {
    globals.GPU.prototype.requestAdapter = crash;
  },
  none: missing('Warning: vkCreateInstance: Found no drivers!\n'),
  'no loader': missing("Warning: Couldn't load Vulkan: libvulkan.so.1: no such file\n    at somewhere\n"),
  old: missing(
    'Warning: Vulkan shaderUniform*ArrayDynamicIndexing required.\n - While initializing adapter (backend=BackendType::Vulkan)\n',
  ),
};
faults[process.env.FAULT]();
