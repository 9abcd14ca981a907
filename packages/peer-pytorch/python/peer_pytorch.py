"""The PyTorch side of the comparisons: timm's ViT, peft's methods, eager or compiled, TF32 off or on.

Reads one JSON request per line from standard input and answers each with one line of JSON, `{"error": …}`
where it failed. Times are of the wall clock, the device idle before and after, as the other side measures
itself.
"""

import json
import resource
import sys
import time
import traceback
from functools import partial

import peft
import safetensors.torch
import timm
import torch
from timm.layers import SwiGLUPacked
from timm.models.vision_transformer import VisionTransformer


class Peer:
    def __init__(self):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.matrices = {}
        self._allow_tf32(False)

    def describe(self):
        on_gpu = self.device.type == "cuda"
        return {
            "onGpu": on_gpu,
            "device": torch.cuda.get_device_name() if on_gpu else f"CPU ({torch.get_num_threads()} threads)",
            "versions": {
                "python": sys.version.split()[0],
                "torch": torch.__version__,
                "cuda": torch.version.cuda if on_gpu else None,
                "timm": timm.__version__,
                "peft": peft.__version__,
            },
        }

    def use(self, device=None, threads=None):
        """Chooses `cpu` or `cuda`, and how many threads work on an operator."""
        if device is not None:
            self.device = torch.device(device)
        if threads is not None:
            torch.set_num_threads(threads)
        return {}

    def product(self, n, dtype, count, tf32=False):
        """Seconds per product of two [n, n] matrices, the mean of `count`."""
        self._allow_tf32(tf32)
        key = (n, dtype)
        if key not in self.matrices:
            real = getattr(torch, dtype)
            self.matrices[key] = [torch.randn(n, n, device=self.device).to(real) for _ in range(3)]
            self.product(n, dtype, 3, tf32)
        a, b, out = self.matrices[key]
        return self._seconds(lambda: torch.mm(a, b, out=out), count)

    def load(self, path, model, adapter, trained, optimizer):
        """Builds the model of a method; `start` gives it its values.

        path: a safetensors file of all values by the suite's names, with `images` [B, 3, H, W] and `labels` [B]
        model: the suite's description of a ViT
        adapter: `{"config": name of a class of peft, "arguments": …}`, or None where the model's own weights train
        trained: names of what trains, with the factors on learning rate and decay, `{name: [rate, decay]}`
        optimizer: AdamW's `learningRate`, `beta1`, `beta2`, `eps`, `weightDecay`
        """
        self.values = safetensors.torch.load_file(path)
        self.factors = trained
        self.settings = optimizer
        vit = vit_of(model, self.values["head.weight"].shape[0])
        if adapter is None:
            for name, parameter in vit.named_parameters():
                parameter.requires_grad_(name in trained)
        else:
            config = getattr(peft, adapter["config"])(**adapter["arguments"], modules_to_save=["head"])
            vit = peft.get_peft_model(vit, config)
        self.model = vit.to(self.device).train()
        self._require_same_names()
        self.images, self.labels = self.values["images"], self.values["labels"].long()
        if self.device.type == "cuda":
            self.images, self.labels = self.images.pin_memory(), self.labels.pin_memory()
        return {"trained": sum(parameter.numel() for _, parameter in self._trained())}

    def start(self, compiled=False, tf32=False):
        """All values and the optimiser as they are before the first step."""
        self._allow_tf32(tf32)
        with torch.no_grad():
            for name, parameter in self._all():
                parameter.copy_(self._value(name))
        groups = {}
        for name, parameter in self._trained():
            groups.setdefault(tuple(self.factors[self._key(name)]), []).append(parameter)
        s = self.settings
        self.optimizer = torch.optim.AdamW(
            [
                {"params": group, "lr": s["learningRate"] * rate, "weight_decay": s["weightDecay"] * decay}
                for (rate, decay), group in groups.items()
            ],
            betas=(s["beta1"], s["beta2"]),
            eps=s["eps"],
        )
        if compiled:
            torch.compiler.reset()
        self.forward = torch.compile(self.model) if compiled else self.model
        return {}

    def losses(self, count):
        return [self._step().item() for _ in range(count)]

    def steps(self, count, tf32=False):
        """Seconds per training step, the mean of `count`; the batch comes from the host each time."""
        self._allow_tf32(tf32)
        return self._seconds(self._step, count)

    def memory(self):
        """The largest resident set of this process so far, in bytes."""
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return kilobytes if sys.platform == "darwin" else 1024 * kilobytes

    def _all(self):
        """Every parameter and shared matrix with the suite's name of it."""
        for name, parameter in self.model.named_parameters():
            yield _plain_name(name), parameter
        for name, buffer in self.model.named_buffers():
            # Every layer of VeRA names the same two matrices.
            if ".vera_" in name:
                yield name.split(".")[-2], buffer

    def _trained(self):
        named = ((_plain_name(name), parameter) for name, parameter in self.model.named_parameters())
        return [(name, parameter) for name, parameter in named if parameter.requires_grad]

    def _key(self, name):
        """The suite's name of a parameter; it leaves out the `weight` at the end of some of peft's."""
        return name if name in self.values else name.removesuffix(".weight")

    def _value(self, name):
        return self.values[self._key(name)]

    def _require_same_names(self):
        for name, parameter in self._all():
            value = self.values.get(self._key(name))
            if value is None:
                raise ValueError(f"{name} of PyTorch's model is not among the values")
            if value.shape != parameter.shape:
                raise ValueError(f"{name} is {list(parameter.shape)} here and {list(value.shape)} in the suite")
        here, there = {self._key(name) for name, _ in self._trained()}, set(self.factors)
        if here != there:
            raise ValueError(f"one side alone trains {', '.join(sorted(here ^ there)[:5])}")

    def _step(self):
        images = self.images.to(self.device, non_blocking=True)
        labels = self.labels.to(self.device, non_blocking=True)
        loss = torch.nn.functional.cross_entropy(self.forward(images), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def _allow_tf32(self, allowed):
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed

    def _seconds(self, work, count):
        self._wait()
        start = time.perf_counter()
        for _ in range(count):
            work()
        self._wait()
        return (time.perf_counter() - start) / count

    def _wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def vit_of(model, classes):
    """timm's ViT as the suite describes it: what is not said is as in the plain one."""
    optional = {
        "class_token": "classToken",
        "reg_tokens": "registers",
        "pre_norm": "preNorm",
        "qkv_bias": "qkvBias",
        "proj_bias": "projBias",
        "qk_norm": "qkNorm",
        "act_layer": "activation",
        "global_pool": "pool",
        "pool_include_prefix": "poolPrefix",
    }
    arguments = {timms: model[name] for timms, name in optional.items() if name in model}
    if model.get("positions") == "patches":
        arguments["no_embed_class"] = True
    if model.get("layerScale"):
        arguments["init_values"] = 1.0
    if model.get("mlp") == "swiglu":
        arguments["mlp_layer"] = SwiGLUPacked
    last_norm = model.get("lastNorm", "tokens")
    return VisionTransformer(
        img_size=tuple(model["imageSize"]),
        patch_size=model["patchSize"],
        embed_dim=model["width"],
        depth=model["depth"],
        num_heads=model["heads"],
        mlp_ratio=_mlp_ratio(model),
        norm_layer=partial(torch.nn.LayerNorm, eps=model["layerNormEps"]),
        fc_norm=last_norm == "pooled",
        final_norm=last_norm != "none",
        num_classes=classes,
        **arguments,
    )


def _mlp_ratio(model):
    hidden = model["mlpWidth"] * (2 if model.get("mlp") == "swiglu" else 1)
    return hidden / model["width"]


def _plain_name(name):
    """The name of a parameter without what peft wraps around it."""
    for part in ("base_model.model.", ".base_layer", ".original_module", ".modules_to_save.default", ".default"):
        name = name.replace(part, "")
    return name


def main():
    # Answers alone belong on standard output.
    answers, sys.stdout = sys.stdout, sys.stderr
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(peer, request["call"])(**request["with"])
        except Exception as error:  # What fails is one answer; the next request may do.
            traceback.print_exc()
            words = str(error).strip().splitlines()
            answer = {"error": f"{type(error).__name__}: {words[0] if words else ''}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
