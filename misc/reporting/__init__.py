"""Results as tables: metrics of runs, published figures, and the pages that hold them."""
