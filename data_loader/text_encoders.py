"""The text features of the corrected release: one vector per word, by the name of the encoder."""

from collections.abc import Mapping

from utils.errors import InputError

# `experts.text_feat` -> the dimension of a word vector.
TEXT_DIMS = {
    "albert-base-v2": 768,
    "albert-large-v2": 1024,
    "albert-xlarge-v2": 2048,
    "bert-base-uncased": 768,
    "ctrl": 1280,
    "electra": 256,
    "gpt2": 768,
    "gpt2-large": 1280,
    "gpt2-medium": 1024,
    "gpt2-xl": 1600,
    "gpt2-xl-finetune": 1600,
    "grovle": 300,
    "hglmm_300d": 300,
    "hglmm_6kd": 6000,
    "howto100m_mil_nce": 512,  # one vector per sentence
    "mt_grovle": 300,
    "openai": 768,
    "openai-gpt": 768,
    "roberta-base": 768,
    "roberta-large": 1024,
    "t5-11b": 1024,
    "t5-3b": 1024,
    "t5-base": 768,
    "t5-large": 1024,
    "t5-small": 512,
    "transfo-xl-wt103": 1024,
    "w2v": 300,
    "xlnet-base-cased": 768,
    "xlnet-large-cased": 1024,
}


def resolve_text_dim(config: Mapping) -> int:
    """Return the dimension of a word vector of a config: `experts.text_dim`, in the corrected release that of `TEXT_DIMS`.

    That release does not read `experts.text_dim`, which is wrong in some of its configs. It is used for text features of
    other names.

    Raises:
        InputError: text features of an unknown name, without `experts.text_dim`.
    """
    section = config["experts"]
    is_corrected = "root_feat_folder" in config["data_loader"]["args"]
    dim = TEXT_DIMS.get(section["text_feat"]) if is_corrected else None
    if (dim := dim or section.get("text_dim")) is None:
        raise InputError(
            f"experts.text_dim: missing, '{section['text_feat']}' is not one of the text features of the corrected release "
            f"({', '.join(TEXT_DIMS)})"
        )
    return dim
