"""Search without a trained model, and fusion with it.

A channel ranks the videos of a collection for a text, in its own way: by recognized words (`words`), by what the rgb network
has been trained to see (`concepts`), by an image-text model (`zero_shot`), or by the model of a checkpoint (`trained`).
`fusion` merges the rankings, and `fused_searcher` makes search results of them, with the reasons why a video was found.
"""
