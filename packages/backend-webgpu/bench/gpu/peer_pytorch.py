"""The PyTorch side of compare-pytorch.mjs: eager fp32, timm's ViT, peft's LoRA.

Reads one JSON request per line from standard input and answers each with one line of JSON. Times are of the
wall clock, the device idle before and after, as the other side measures itself.
"""

import json
import sys
import time

import peft
import safetensors.torch
import timm
import torch

LINEAR_LAYERS = r"blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(fc1|fc2))"


class Peer:
    def __init__(self):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        self.matrices = {}

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

    def product(self, n, dtype, count):
        """Seconds per product of two [n, n] matrices, the mean of `count`."""
        key = (n, dtype)
        if key not in self.matrices:
            real = getattr(torch, dtype)
            self.matrices[key] = [torch.randn(n, n, device=self.device).to(real) for _ in range(3)]
            self.product(n, dtype, 3)
        a, b, out = self.matrices[key]
        return self._seconds(lambda: torch.mm(a, b, out=out), count)

    def load(self, path, model, rank, learning_rate):
        """Builds the model, takes all values from the file and prepares the optimiser."""
        values = safetensors.torch.load_file(path)
        classes = values["head.bias"].shape[0]
        vit = timm.create_model(
            "vit_base_patch16_224",
            pretrained=False,
            num_classes=classes,
            img_size=model["imageSize"][0],
            embed_dim=model["width"],
            depth=model["depth"],
            num_heads=model["heads"],
        )
        vit.load_state_dict({name: values[name] for name in vit.state_dict()})
        config = peft.LoraConfig(
            r=rank,
            lora_alpha=rank,
            lora_dropout=0.0,
            target_modules=LINEAR_LAYERS,
            modules_to_save=["head"],
        )
        self.model = peft.get_peft_model(vit, config).to(self.device)
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if ".lora_" in name:
                    plain = name.removeprefix("base_model.model.").removesuffix(".default.weight")
                    parameter.copy_(values[plain])
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=learning_rate)
        self.images, self.labels = values["images"], values["labels"].long()
        if self.device.type == "cuda":
            self.images, self.labels = self.images.pin_memory(), self.labels.pin_memory()
        self.model.train()
        return {"trained": sum(parameter.numel() for parameter in trained)}

    def losses(self, count):
        return [self._step().item() for _ in range(count)]

    def steps(self, count):
        """Seconds per training step, the mean of `count`; the batch comes from the host each time."""
        return self._seconds(self._step, count)

    def _step(self):
        images = self.images.to(self.device, non_blocking=True)
        labels = self.labels.to(self.device, non_blocking=True)
        loss = torch.nn.functional.cross_entropy(self.model(images), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

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


def main():
    # Answers alone belong on standard output.
    answers, sys.stdout = sys.stdout, sys.stderr
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(peer, request["call"])(**request["with"])
        print(json.dumps(answer), file=answers, flush=True)


main()
