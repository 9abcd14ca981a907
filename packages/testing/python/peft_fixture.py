"""Trains a toy timm ViT with a peft method and records it for `replayTraining` of this package.

Used by the `make-fixture.py` scripts of the method packages; needs torch, timm, peft and safetensors.
"""

import copy
from pathlib import Path

import peft
import timm
import torch
import torch.nn.functional as F
from peft import get_peft_model
from safetensors.torch import save_file

STEPS = 3


def toy_vit():
    """The ViT of `fixtureVit`, every weight drawn at random."""
    torch.manual_seed(0)
    model = timm.models.vision_transformer.VisionTransformer(
        img_size=8, patch_size=4, embed_dim=8, depth=2, num_heads=2, mlp_ratio=2, num_classes=3
    )
    for name, parameter in model.named_parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape) + (1 if "norm" in name and "weight" in name else 0)
    return model.eval()


def record(script, config, own_name, prepare=lambda model: {}, learning_rates=lambda name: 1.0):
    """Trains for three steps of AdamW and writes `peft-toy.safetensors` beside `script`.

    config: of the peft method; the head trains beside it.
    own_name: this suite's name of a parameter that peft calls, e.g., `blocks.0.attn.qkv.lora_A.default.weight`.
    prepare: changes the peft model before the training; returns more tensors to start from, by this suite's names.
    learning_rates: the factor on the learning rate of a parameter, by peft's name.
    """
    base = toy_vit()
    images = torch.randn(4, 3, 8, 8).double()
    labels = torch.tensor([0, 2, 1, 2])
    # In float64 from numbers that float32 can hold: what differs elsewhere is the method, not the rounding.
    model = get_peft_model(copy.deepcopy(base), config).double()
    more = prepare(model) or {}
    learning_rate = 0.02
    trained = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            trained[name] = parameter
    own = {}
    for name in trained:
        short = name.removeprefix("base_model.model.")
        is_head = ".modules_to_save." in short
        own[name] = short.replace(".modules_to_save.default", "") if is_head else own_name(short)
    frozen = {
        name.removeprefix("base_model.model.").replace(".base_layer", ""): parameter
        for name, parameter in model.named_parameters()
        if not parameter.requires_grad and not name.startswith("base_model.model.head.")
    }
    tensors = {f"start.{name}": value for name, value in (base.state_dict() | frozen | more).items()}
    tensors |= {f"start.{own[name]}": parameter.detach().clone() for name, parameter in trained.items()}
    groups = [{"params": [p], "lr": learning_rate * learning_rates(name)} for name, p in trained.items()]
    # Where a gradient is exactly zero, as behind a norm, a smaller eps would make whole steps of its rounding.
    optimizer = torch.optim.AdamW(groups, eps=1e-4, weight_decay=0.0)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    tensors |= {f"end.{own[name]}": parameter.detach() for name, parameter in trained.items()}
    tensors |= {
        "images": images,
        "labels": labels.int(),
        "losses": torch.tensor(losses),
        "learning_rate": torch.tensor([learning_rate]),
    }
    stored = {
        name: (value if value.dtype == torch.int32 else value.float()).contiguous().clone()
        for name, value in tensors.items()
    }
    versions = {"torch": torch.__version__.split("+")[0], "timm": timm.__version__, "peft": peft.__version__}
    save_file(stored, Path(script).parent / "peft-toy.safetensors", metadata=versions)
