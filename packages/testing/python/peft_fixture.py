"""Trains a toy timm ViT with a peft method and records it for `replayTraining` of this package.

Used by the `make-fixture.py` scripts of the method packages; needs torch, timm, peft and safetensors.
"""

import copy
from pathlib import Path

import peft
import timm
import torch
import toy_training
from peft import get_peft_model


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
    # In float64 from numbers that float32 can hold: what differs elsewhere is the method, not the rounding.
    model = get_peft_model(copy.deepcopy(base), config).double()
    more = prepare(model) or {}
    weights, trained, factors = dict(base.state_dict()), {}, {}
    for name, parameter in model.named_parameters():
        short = name.removeprefix("base_model.model.")
        if not parameter.requires_grad:
            if not short.startswith("head."):
                weights[short.replace(".base_layer", "")] = parameter
            continue
        is_head = ".modules_to_save." in short
        own = short.replace(".modules_to_save.default", "") if is_head else own_name(short)
        trained[own] = parameter
        factors[own] = learning_rates(name)
    toy_training.record(
        Path(script).parent / "peft-toy.safetensors",
        model,
        weights | more,
        trained,
        images=images,
        learning_rate=0.02,
        factors=factors,
        versions={"peft": peft.__version__},
    )
