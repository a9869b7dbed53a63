"""The Collaborative Experts model: poolings, gates, similarity, loss and metrics."""
