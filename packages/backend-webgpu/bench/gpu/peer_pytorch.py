"""The PyTorch side of the comparisons: timm's ViT, peft's LoRA, eager or compiled, TF32 off or on.

Reads one JSON request per line from standard input and answers each with one line of JSON, `{"error": …}`
where it failed. Times are of the wall clock, the device idle before and after, as the other side measures
itself.
"""

import json
import sys
import time
import traceback

import peft
import safetensors.torch
import timm
import torch

LINEAR_LAYERS = r"blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(fc1|fc2))"


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
                "torch": torch.__version__,
                "cuda": torch.version.cuda if on_gpu else None,
                "timm": timm.__version__,
                "peft": peft.__version__,
            },
        }

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

    def load(self, path, model, method, rank, learning_rate):
        """Builds the model of a method; `start` gives it its values."""
        self.values = safetensors.torch.load_file(path)
        self.learning_rate = learning_rate
        vit = timm.create_model(
            "vit_base_patch16_224",
            pretrained=False,
            num_classes=self.values["head.bias"].shape[0],
            img_size=model["imageSize"][0],
            embed_dim=model["width"],
            depth=model["depth"],
            num_heads=model["heads"],
        )
        if method == "lora":
            config = peft.LoraConfig(
                r=rank,
                lora_alpha=rank,
                lora_dropout=0.0,
                target_modules=LINEAR_LAYERS,
                modules_to_save=["head"],
            )
            vit = peft.get_peft_model(vit, config)
        elif method == "linear-probe":
            vit.requires_grad_(False)
            vit.head.requires_grad_(True)
        self.model = vit.to(self.device).train()
        self.images, self.labels = self.values["images"], self.values["labels"].long()
        if self.device.type == "cuda":
            self.images, self.labels = self.images.pin_memory(), self.labels.pin_memory()
        return {"trained": sum(parameter.numel() for parameter in self._trained())}

    def start(self, compiled=False, tf32=False):
        """All values and the optimiser as they are before the first step."""
        self._allow_tf32(tf32)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(self.values[_plain_name(name)])
        self.optimizer = torch.optim.AdamW(self._trained(), lr=self.learning_rate)
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

    def _trained(self):
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

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


def _plain_name(name):
    """The name of a parameter without what peft wraps around it."""
    for part in ("base_model.model.", ".base_layer", ".original_module", ".modules_to_save.default"):
        name = name.replace(part, "")
    return name.removesuffix(".default.weight") if ".lora_" in name else name


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
