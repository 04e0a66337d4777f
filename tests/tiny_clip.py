"""A CLIP with random weights and an alphabet for a vocabulary, in transformers' files."""

import string
from pathlib import Path

import torch

SIDE, WIDTH = 32, 16


def tiny_clip(folder: Path) -> Path:
    """The folder, with config, weights and tokeniser in it; the same each time."""
    if (folder / "config.json").exists():
        return folder
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer  # only now, as it takes seconds

    pieces = [letter + end for letter in string.ascii_lowercase + string.digits for end in ("", "</w>")]
    pieces += ["re", "red</w>", "<|startoftext|>", "<|endoftext|>"]
    tokens = {piece: place for place, piece in enumerate(pieces)}
    CLIPTokenizer(vocab=tokens, merges=[("r", "e"), ("re", "d</w>")]).save_pretrained(folder)
    shape = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": tokens["<|startoftext|>"], "eos_token_id": tokens["<|endoftext|>"], "pad_token_id": tokens["<|endoftext|>"]}
    words = {**shape, **ends, "vocab_size": len(tokens), "max_position_embeddings": 40, "projection_dim": WIDTH}
    pictures = {**shape, "image_size": SIDE, "patch_size": 8, "projection_dim": WIDTH}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=words, vision_config=pictures, projection_dim=WIDTH)).save_pretrained(folder)
    return folder
