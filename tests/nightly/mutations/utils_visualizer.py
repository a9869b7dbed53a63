"""Mutations of utils/visualizer/."""

from helpers.mutate import Mutation

MUTATIONS = [
    Mutation(
        "utils/visualizer/content.py",
        "bool(rank >= limit)",
        "bool(rank > limit)",
        "tests/utils/visualizer/test_content.py",
        "a rank of 5.0 belongs to another bin than R@5 says",
    ),
    Mutation(
        "utils/visualizer/content.py",
        'candidates[np.argsort(-scores[candidates], kind="stable")][:count]',
        'candidates[np.argsort(scores[candidates], kind="stable")][:count]',
        "tests/utils/visualizer/test_content.py",
        "the worst of the best candidates first",
    ),
    Mutation(
        "utils/visualizer/content.py",
        "np.where(self.owners == video, scores, -np.inf).argmax()",
        "np.where(self.owners == video, scores, np.inf).argmin()",
        "tests/utils/visualizer/test_content.py",
        "v2t: the worst caption of a video is its correct one",
    ),
    Mutation(
        "utils/visualizer/content.py",
        "self.is_averaged = len(data.sims) == data.sims.shape[1]",
        "self.is_averaged = False",
        "tests/utils/visualizer/test_content.py",
        "averaged captions: only the first is shown",
    ),
    Mutation(
        "utils/visualizer/visualizer.py",
        "if epoch % self.vis_vid_freq == 0:",
        "if True:",
        "tests/utils/visualizer/test_visualizer.py",
        "vis_vid_freq is ignored",
    ),
    Mutation(
        "utils/visualizer/visualizer.py",
        "numbers.pop(shown, max(numbers.values(), default=0) + 1)",
        "numbers.get(shown, max(numbers.values(), default=0) + 1)",
        "tests/utils/visualizer/test_visualizer.py",
        "an evaluation that is repeated is not the one shown first",
    ),
    Mutation(
        "utils/visualizer/visualizer.py",
        "except (ValueError, KeyError, TypeError):",
        "except (KeyError, TypeError):",
        "tests/utils/visualizer/test_visualizer.py",
        "a damaged list of evaluations ends a training",
    ),
    Mutation(
        "utils/visualizer/videos.py",
        "videos.setdefault(normalize_name(name), ",
        "videos.setdefault(name, ",
        "tests/utils/visualizer/test_videos.py tests/utils/visualizer/test_visualizer.py",
        "clips whose names are in another Unicode form are not found",
    ),
    Mutation(
        "utils/visualizer/videos.py",
        "files.sort(key=lambda path: (ALL_SUFFIXES.index(path.suffix.lower()), path))",
        "files.sort()",
        "tests/utils/visualizer/test_videos.py tests/utils/visualizer/test_visualizer.py",
        "of several files of a name, not the one that browsers play best",
    ),
    Mutation(
        "utils/visualizer/videos.py",
        "is_near = os.path.commonpath([source, target]) != source.anchor",
        "is_near = False",
        "tests/utils/visualizer/test_videos.py tests/utils/visualizer/test_visualizer.py",
        "the link to clips is absolute, so that a folder cannot be moved",
    ),
]
