"""What benchmarks measure unless the command line says otherwise."""

CONFIG = "configs/msrvtt/train-full-ce.json"
CONFIGS = {"2019": CONFIG, "2020": "configs/msrvtt/train-full-ce-2020.json"}  # release -> config of CE for MSR-VTT
SIZES, DIM, K = (10_000, 100_000), 64, 10  # of searches: numbers of videos, dimensions of an embedding, results
FLOOR, WITH_BANK = "floor", "+bank"
INDEXES = ("flat", "sq8", "ivf", "hnsw")
SEARCH_METHODS = (FLOOR, "model's score", "plain matrix", *INDEXES, *(f"{kind}{WITH_BANK}" for kind in INDEXES))
WINDOW_SIZES = (100_000,)  # of searches in windows of long videos
