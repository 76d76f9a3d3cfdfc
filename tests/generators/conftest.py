"""A Stable Diffusion with ControlNet as diffusers writes it, as small as its parts allow."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
import torch


def write_tokenizer(folder: Path) -> None:
    """Every printable character, in a word and at its end; no merges."""
    folder.mkdir(parents=True)
    characters = sorted(set(string.ascii_lowercase + string.digits + string.punctuation))
    tokens = [*characters, *(c + "</w>" for c in characters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77})
    )


def write_pipeline(folder: Path, transformers: Any) -> Path:
    """As small as its parts allow, and with random weights that let everything show."""
    import diffusers

    write_tokenizer(folder.parent / "words")
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder.parent / "words")
    sizes = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4}
    crossed = {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "cross_attention_dim": 8,
        "attention_head_dim": 4,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = {
            "unet": diffusers.UNet2DConditionModel(
                sample_size=32,
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                **sizes,
                **crossed,
            ),
            "vae": diffusers.AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * 2,
                up_block_types=("UpDecoderBlock2D",) * 2,
                latent_channels=4,
                **sizes,
            ),
            "controlnet": diffusers.ControlNetModel(
                conditioning_embedding_out_channels=(4, 4), **sizes, **crossed
            ),
            "text_encoder": transformers.CLIPTextModel(
                transformers.CLIPTextConfig(
                    vocab_size=len(tokenizer),
                    hidden_size=8,
                    intermediate_size=16,
                    num_hidden_layers=1,
                    num_attention_heads=2,
                    bos_token_id=tokenizer.bos_token_id,
                    eos_token_id=tokenizer.eos_token_id,
                )
            ),
        }
        for part in parts.values():
            for name, parameter in part.named_parameters():
                if parameter.dim() > 1:  # the ControlNet's outputs begin at zero
                    strong = "embed" in name or "attn2" in name
                    torch.nn.init.normal_(parameter, std=1.0 if strong else 0.15)
    pipeline = diffusers.StableDiffusionControlNetPipeline(
        **parts,
        tokenizer=tokenizer,
        scheduler=diffusers.PNDMScheduler(skip_prk_steps=True, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leave it as it is."""
    transformers = pytest.importorskip(
        "transformers", reason="reading text needs napari-cmr-synth[text]"
    )
    return write_pipeline(tmp_path_factory.mktemp("sd") / "Tiny Heart_SD", transformers)
