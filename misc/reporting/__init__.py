"""Tables of results and of published figures, and the Markdown pages with them."""
