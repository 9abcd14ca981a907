"""Trains a toy timm ViT with a method that is written in PyTorch, and records it for `replayTraining` of this package.

Used by the `make-fixtures.py` scripts of method packages; needs torch, timm and safetensors. All is computed in float64
from numbers that float32 can hold: what differs elsewhere is the method, not the rounding.
"""

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

LEARNING_RATE = 0.01
STEPS = 3
# What `replayTraining` trains with: where a gradient is exactly zero, as behind a norm, a smaller one would make whole
# steps of its rounding.
EPS = 1e-4


def draw(generator, shape, std, mean=0.0):
    """Normal numbers that float32 can hold."""
    return (mean + std * torch.randn(shape, generator=generator, dtype=torch.float64)).float().double()


def toy_vit():
    """The ViT of `fixtureVit`, every weight drawn at random; the head alone trains."""
    model = VisionTransformer(
        img_size=8, patch_size=4, embed_dim=8, depth=2, num_heads=2, mlp_ratio=2, num_classes=3
    ).double()
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        is_scale = "norm" in name and name.endswith("weight")
        parameter.data = draw(generator, parameter.shape, 0.3, 1.0 if is_scale else 0.0)
        parameter.requires_grad_(name.startswith("head."))
    return model


def weights_of(model):
    """The weights by timm's names, before a method changes the modules."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def record(path, forward, weights, trained, *, images=None, learning_rate=LEARNING_RATE, factors=None, versions=None):
    """Trains for three steps of AdamW and writes what `replayTraining` needs.

    forward: images [B, 3, 8, 8] to logits [B, 3]
    weights: by timm's names, as `weights_of` gives them, and whatever else the method starts from
    trained: the parameters that train, by this suite's names; the head's are among them
    images: [4, 3, 8, 8]; drawn here by default
    factors: on the learning rate, by this suite's names of the parameters that have another
    versions: of packages besides torch and timm
    """
    if images is None:
        images = draw(torch.Generator().manual_seed(1), (4, 3, 8, 8), 1.0)
    labels = torch.tensor([0, 2, 1, 2])
    tensors = {f"start.{name}": value.detach().clone() for name, value in (weights | trained).items()}
    rates = {name: learning_rate * factor for name, factor in (factors or {}).items()}
    groups = [{"params": [value], "lr": rates.get(name, learning_rate)} for name, value in trained.items()]
    optimizer = torch.optim.AdamW(groups, eps=EPS, weight_decay=0.0)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = F.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    tensors |= {f"end.{name}": value.detach() for name, value in trained.items()}
    tensors |= {"images": images, "labels": labels.int(), "losses": torch.tensor(losses)}
    tensors["learning_rate"] = torch.tensor([learning_rate])
    stored = {
        name: (value if value.dtype == torch.int32 else value.float()).contiguous().clone()
        for name, value in tensors.items()
    }
    made_by = {"torch": torch.__version__.split("+")[0], "timm": timm.__version__, **(versions or {})}
    save_file(stored, path, metadata=made_by)
