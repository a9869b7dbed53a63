"""The ranking page: what an evaluation retrieved, to look at in a browser."""

from utils.visualizer.visualizer import Visualizer

__all__ = ["Visualizer"]
