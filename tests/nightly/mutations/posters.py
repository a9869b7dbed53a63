"""Mutations of the pictures of videos: their posters and the pages that show them."""

from helpers.mutate import Mutation

MUTATIONS = [
    Mutation(
        "misc/video_reading/poster.py",
        "return float(np.sqrt(sums * CELLS**2 / gradient.size).mean())",
        "return 1.0",
        "tests/misc/video_reading/test_poster.py -k dark",
        "black, blurred and empty frames are chosen",
    ),
    Mutation(
        "misc/video_reading/poster.py",
        "np.sqrt(sums * CELLS**2 / gradient.size)",
        "(sums * CELLS**2 / gradient.size)",
        "tests/misc/video_reading/test_poster.py -k title",
        "a title in large letters outweighs a picture with detail all over",
    ),
    Mutation(
        "misc/video_reading/poster.py",
        " / (1 + _changes(frames) / CHANGE_SCALE)",
        "",
        "tests/misc/video_reading/test_poster.py -k flash",
        "a flash is chosen",
    ),
    Mutation(
        "misc/video_reading/poster.py",
        "return np.minimum(np.append(",
        "return np.maximum(np.append(",
        "tests/misc/video_reading/test_poster.py -k beside_a_cut",
        "frames beside a cut count as part of it",
    ),
    Mutation(
        "misc/video_reading/poster.py",
        "scores >= EQUAL * scores.max()",
        "scores >= scores.max()",
        "tests/misc/video_reading/test_poster.py -k middle",
        "noise decides between frames that are alike",
    ),
    Mutation(
        "misc/video_reading/poster.py",
        "if first >= after:",
        "if first > after:",
        "tests/misc/video_reading/test_poster.py -k range",
        "a range between two frames has no poster",
    ),
    Mutation(
        "misc/video_reading/poster.py",
        "image.thumbnail((MAX_SIDE, MAX_SIDE))",
        "image = image.resize((MAX_SIDE, 180))",
        "tests/misc/video_reading/test_poster.py -k small",
        "posters of tall videos are distorted",
    ),
    Mutation(
        "misc/extraction/posters.py",
        "json.dumps([video, *file_identity(file)])",
        "json.dumps([video])",
        "tests/misc/extraction/test_posters.py -k changed",
        "a changed video keeps its poster",
    ),
    Mutation(
        "misc/extract_experts.py",
        "if missing is not None and (missing or lacks_poster):",
        "if missing:",
        "tests/misc/extraction/test_posters.py -k earlier_versions",
        "collections of earlier versions get no posters",
    ),
    Mutation(
        "misc/extract_experts.py",
        "        if task.experts:\n            folder.shards.write",
        "        if True:\n            folder.shards.write",
        "tests/misc/extraction/test_posters.py -k earlier_versions",
        "features are written again for a poster",
    ),
    Mutation(
        "misc/extract_experts.py",
        "if task.experts:  # a video that is extracted can do without a poster",
        "if True:",
        "tests/misc/extraction/test_posters.py -k without_a_poster_is_used",
        "an extracted video whose poster cannot be made counts as unusable",
    ),
    Mutation(
        "misc/extract_experts.py",
        "folder.remove_old_posters(done)",
        "pass",
        "tests/misc/extraction/test_posters.py",
        "posters of videos that are gone stay",
    ),
]
