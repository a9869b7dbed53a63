"""Small image-text models with random weights, in folders in which those of OpenCLIP and Transformers are kept."""

import json

import torch

from misc.extractors.pretrained.torchvision_import import ensure_torchvision

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "bird", "sings"]
CLIP = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
SIGLIP = {
    **CLIP,
    "init_logit_bias": -1.0,
    "text_cfg": {
        **CLIP["text_cfg"],
        "vocab_size": 20,
        "no_causal_mask": True,
        "pool_type": "last",
        "hf_tokenizer_name": "x",
    },
}
VISION = {"image_size": 32, "patch_size": 8, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION |= {"intermediate_size": 24}
TEXT = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
TEXT |= {"max_position_embeddings": 8, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}


def write_open_clip(folder, seed=0, sigmoid=False):
    """Write a model of OpenCLIP, like CLIP or like SigLIP, and return it with its transform of images."""
    ensure_torchvision()
    import open_clip

    folder.mkdir(exist_ok=True)
    config = SIGLIP if sigmoid else CLIP
    name = f"small-{folder.name}"
    (folder / f"{name}.json").write_text(json.dumps(config))
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    open_clip.add_model_config(folder / f"{name}.json")
    if sigmoid:
        write_tokenizer(folder)
    torch.manual_seed(seed)
    model, _, prepare = open_clip.create_model_and_transforms(name)
    _make_images_differ(model.visual)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return model.eval(), prepare


def write_transformers(folder, seed=0, sigmoid=False):
    """Write a model of Transformers, CLIP or SigLIP, and return it with its processor of images and its tokenizer."""
    ensure_torchvision()
    import transformers

    transformers.logging.disable_progress_bar()
    folder.mkdir(exist_ok=True)
    name = "Siglip" if sigmoid else "CLIP"
    config, cls = getattr(transformers, f"{name}Config"), getattr(transformers, f"{name}Model")
    text = TEXT | ({"projection_size": 16} if sigmoid else {})
    torch.manual_seed(seed)
    model = cls(config(vision_config=VISION, text_config=text, **({} if sigmoid else {"projection_dim": 12}))).eval()
    _make_images_differ(model.vision_model)
    if sigmoid:
        torch.nn.init.constant_(model.logit_bias, -1.0)
        torch.nn.init.constant_(model.logit_scale, 2.0)
    model.save_pretrained(folder)
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32}, image_mean=[0.4, 0.5, 0.6])
    processor.save_pretrained(folder)
    return model, processor, write_tokenizer(folder)


def write_tokenizer(folder):
    """Write a tokenizer of eight tokens, and return it."""
    import transformers

    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))  # without a maximum length
    tokenizer.save_pretrained(folder)
    return tokenizer


def _make_images_differ(network):
    """Fill biases and scales, which are 0 and 1 in a new network, so that all images look alike to it."""
    for x in (p for p in network.parameters() if p.dim() == 1):
        torch.nn.init.uniform_(x, 0.5, 1.5)
