"""What every other package may need, and, but for `visualizer`, what needs none of them."""
