"""Our configs of the corrected release, and the published ones that they correspond to."""

DATASETS = ("activity-net", "didemo", "lsmdc", "msrvtt", "msvd")
# Our config -> the published one.
PAIRS = {
    **{f"{name}/train-full-ce": f"{name}/train-full-ce" for name in DATASETS},
    **{f"{name}/train-ce-plus": f"{name}/train-gpt2-xl-finetuned-adam" for name in ("msrvtt", "msvd")},
    **{f"{name}/train-teachtext": f"{name}/train-gpt2-xl-finetuned-mte-adam" for name in DATASETS},
    "msrvtt/train-teachtext-denoising": "msrvtt/train-gpt2-xl-finetuned-mte-denoising-adam-less80",
    "msrvtt/train-jsfusion-ce": "msrvtt/train-jsfusion-ce",
    "msrvtt/train-miech-ce": "msrvtt/train-miech-ce",
    "msrvtt/train-full-moee": "msrvtt/train-full-moee",
    "msrvtt/train-full-moee-minus-moe-weights": "msrvtt/train-full-moee-minus-moee-weights",
    "msrvtt/train-full-ce-ablation-dims": "msrvtt/train-full-ce-ablation-dims",
    "msrvtt/train-full-concat-ablation": "msrvtt/train-full-concat-ablation",
}
# TeachText without teachers; the published config of these datasets is not in the repository.
CE_PLUS = {f"{name}/train-ce-plus" for name in ("activity-net", "didemo", "lsmdc")}
