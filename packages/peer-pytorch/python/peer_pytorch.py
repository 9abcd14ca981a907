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
from pathlib import Path

import peft
import safetensors.torch
import timm
import torch
from timm.layers import Attention, SwiGLUPacked
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

    def load(self, folder, model, adapter, trained, optimizer):
        """Builds the model of a method; `start` gives it its values.

        folder: has `training.safetensors`, the backbone's and the head's values, `images` [B, 3, H, W] and `labels`
            [B]; and, where there is an adapter, the two files that peft saves
        model: the suite's description of a ViT
        adapter: `{"separateAttention": whether query, key and value are layers of their own}`, or None where the
            model's own weights train
        trained: what trains, by the suite's names: `{name: {"size": numbers, "learningRate": factor, "weightDecay": factor}}`
        optimizer: AdamW's `learningRate`, `beta1`, `beta2`, `eps`, `weightDecay`
        """
        self.values = safetensors.torch.load_file(Path(folder, "training.safetensors"))
        self.settings = optimizer
        separate = adapter is not None and adapter["separateAttention"]
        vit = vit_of(model, self.values["head.weight"].shape[0], separate)
        self.own = {name for name, _ in vit.named_parameters()}
        self.adapter = None
        if adapter is None:
            for name, parameter in vit.named_parameters():
                parameter.requires_grad_(name in trained)
        else:
            self.adapter = peft.load_peft_weights(folder, device="cpu")
            vit = peft.PeftModel.from_pretrained(vit, folder, is_trainable=True)
        self.model = vit.to(self.device).train()
        self._require_values()
        self.groups = self._groups(trained)
        self.images, self.labels = self.values["images"], self.values["labels"].long()
        if self.device.type == "cuda":
            self.images, self.labels = self.images.pin_memory(), self.labels.pin_memory()
        return {"trained": sum(parameter.numel() for group in self.groups.values() for parameter in group)}

    def start(self, compiled=False, tf32=False):
        """All values and the optimiser as they are before the first step."""
        self._allow_tf32(tf32)
        with torch.no_grad():
            for name, parameter in self._own_parameters():
                parameter.copy_(self.values[name])
            if self.adapter is not None:
                surplus = peft.set_peft_model_state_dict(self.model, self.adapter).unexpected_keys
                if surplus:
                    raise ValueError(f"peft has no place for {', '.join(surplus[:5])}")
        s = self.settings
        self.optimizer = torch.optim.AdamW(
            [
                {"params": group, "lr": s["learningRate"] * rate, "weight_decay": s["weightDecay"] * decay}
                for (rate, decay), group in self.groups.items()
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

    def _own_parameters(self):
        """The parameters of timm's model, without those of an adapter, by timm's names."""
        for name, parameter in self.model.named_parameters():
            if (plain := _plain_name(name)) in self.own:
                yield plain, parameter

    def _require_values(self):
        for name, parameter in self._own_parameters():
            value = self.values.get(name)
            if value is None:
                raise ValueError(f"{name} of PyTorch's model is not among the values")
            if value.shape != parameter.shape:
                raise ValueError(f"{name} is {list(parameter.shape)} here and {list(value.shape)} in the suite")

    def _groups(self, trained):
        """What trains, by the factors on its learning rate and its weight decay."""
        groups, named = {}, set()
        for name, parameter in self.model.named_parameters():
            if not parameter.requires_grad:
                continue
            plain = _plain_name(name)
            # The suite leaves out the `weight` at the end of some of peft's names.
            key = plain if plain in trained else plain.removesuffix(".weight")
            update = trained.get(key, {})
            named.add(key)
            factors = (update.get("learningRate", 1), update.get("weightDecay", 1))
            groups.setdefault(factors, []).append(parameter)
        here = sum(parameter.numel() for group in groups.values() for parameter in group)
        there = sum(entry["size"] for entry in trained.values())
        if here != there:
            raise ValueError(f"PyTorch trains {here} numbers and the suite {there}")
        lost = [name for name, entry in trained.items() if name not in named and len(entry) > 1]
        if lost:
            raise ValueError(f"PyTorch has no parameter {lost[0]} to give its own learning rate or weight decay to")
        return groups

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


class SeparateAttention(Attention):
    """timm's attention with query, key and value as layers of their own, as transformers has them."""

    def __init__(self, dim, *args, qkv_bias=False, **settings):
        super().__init__(dim, *args, qkv_bias=qkv_bias, **settings)
        del self.qkv
        self.q, self.k, self.v = (torch.nn.Linear(dim, self.attn_dim, bias=qkv_bias) for _ in range(3))

    def forward(self, x, attn_mask=None, is_causal=False):
        q, k, v = (
            layer(x).unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        x = torch.nn.functional.scaled_dot_product_attention(
            self.q_norm(q), self.k_norm(k), v, attn_mask=attn_mask, is_causal=is_causal
        )
        return self.proj(x.transpose(1, 2).flatten(2))


def vit_of(model, classes, separate=False):
    """timm's ViT as the suite describes it: what is not said is as in the plain one.

    separate: query, key and value are layers of their own
    """
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
    if separate:
        arguments["attn_layer"] = SeparateAttention
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
