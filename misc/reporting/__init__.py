"""Tables of results and of published figures, and the pages that hold them."""
