"""What every other package may need, and what needs none of them."""
