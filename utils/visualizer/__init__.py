"""The ranking page: the results of an evaluation, to look at in a browser."""

from utils.visualizer.content import PageData
from utils.visualizer.visualizer import Visualizer

__all__ = ["PageData", "Visualizer"]
