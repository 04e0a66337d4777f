"""Tiny random language networks in folders, as transformers writes them."""

from pathlib import Path

import torch

WORDS = ("red", "blue", "circle", "square", "left", "of", "a", "nothing", "known")


def tiny_bert(folder: Path) -> str:
    """A BERT of two layers of 32 numbers; the name of the tower that reads it."""
    from transformers import BertConfig, BertModel

    _tokens(folder, "[CLS]", "[SEP]")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64}
    BertModel(BertConfig(vocab_size=len(WORDS) + 4, **sizes)).save_pretrained(folder)
    return f"minilm:{folder}"


def tiny_clip(folder: Path) -> str:
    """A CLIP of one layer a side."""
    from transformers import CLIPConfig, CLIPModel

    _tokens(folder, "<start>", "<end>")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    marks = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    text = {**sizes, **marks, "vocab_size": len(WORDS) + 4, "max_position_embeddings": 20, "projection_dim": 24}
    vision = {**sizes, "image_size": 32, "patch_size": 16, "projection_dim": 24}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)).save_pretrained(folder)
    return f"clip_text:{folder}"


def _tokens(folder: Path, start: str, end: str) -> None:
    """A tokeniser of whole words, framed by two marks."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", start, end, "<unknown>", *WORDS]
    tokeniser = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="<unknown>"))
    tokeniser.normalizer, tokeniser.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    tokeniser.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=[(start, 1), (end, 2)])
    PreTrainedTokenizerFast(tokenizer_object=tokeniser, unk_token="<unknown>", pad_token="<pad>").save_pretrained(folder)
