"""The ranking page, which shows the results of an evaluation in a browser."""

from utils.visualizer.content import PageData
from utils.visualizer.visualizer import Visualizer

__all__ = ["PageData", "Visualizer"]
