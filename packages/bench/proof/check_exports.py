"""Loads what `kora-bench export` wrote with the library that it is for, and compares logits.

    node proof/export-logits.mjs RUN CELL logits.safetensors
    python proof/check_exports.py logits.safetensors --timm FOLDER --transformers FOLDER --peft FOLDER --base FOLDER

`--base` is a folder of the base model for timm, which the adapter goes on. Needs torch, timm, peft, transformers.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file

warnings.filterwarnings("ignore")
parser = argparse.ArgumentParser()
parser.add_argument("logits")
for library in ("timm", "transformers", "peft", "base"):
    parser.add_argument(f"--{library}")
asked = parser.parse_args()
expected = load_file(asked.logits)
images, logits = expected["images"], expected["logits"]
failed = False


def report(library, found):
    global failed
    difference = (found - logits).abs().max().item()
    failed |= difference >= 1e-4
    print(f"{library}: largest difference {difference:.2e} of logits up to {logits.abs().max().item():.2f}")


def base_for_peft(folder, adapter):
    """timm's model with the base weights and a new head, which the adapter replaces."""
    import timm

    config = json.loads((Path(folder) / "config.json").read_text())
    known = timm.is_model(config["architecture"])
    name = config["architecture"] if known else "vit_base_patch16_224"
    model = timm.create_model(name, num_classes=logits.shape[1], **config.get("model_args", {}))
    weights = {k: v for k, v in load_file(f"{folder}/model.safetensors").items() if not k.startswith("head.")}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all(name.startswith("head.") for name in missing), (missing, unexpected)
    return model


with torch.inference_mode():
    if asked.timm:
        import timm

        model = timm.create_model(f"local-dir:{asked.timm}", pretrained=True).eval()
        report("timm", model(images))
        data = timm.data.resolve_model_data_config(model)
        print("  ", data, (model.pretrained_cfg.get("label_names") or [])[:3])
    if asked.transformers:
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        model, info = AutoModelForImageClassification.from_pretrained(asked.transformers, output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"], info
        report("transformers", model.eval()(images).logits)
        print("  ", type(AutoImageProcessor.from_pretrained(asked.transformers)).__name__, list(model.config.id2label.items())[:3])
    if asked.peft:
        from peft import PeftModel

        model = PeftModel.from_pretrained(base_for_peft(asked.base, asked.peft), asked.peft).eval()
        report("peft", model(images))
        report("peft, merged", model.merge_and_unload()(images))
sys.exit(failed)
