"""The call of a loss in a training step, and what it logs."""

from collections.abc import Mapping

from torch import Tensor, nn

from data_loader.duplicates import caption_labels
from trainer.data_parallel import gather_labels


def ranking_loss(loss_function: nn.Module, sims: Tensor, batch: Mapping) -> Tensor:
    """Return the loss of the similarities of all processes; `batch` is the share of this process.

    A loss with a true attribute `exclude_duplicates` is also given a mask of equal captions, see `model.loss`.
    """
    if not getattr(loss_function, "exclude_duplicates", False):
        return loss_function(sims)
    labels = gather_labels(caption_labels(batch))
    return loss_function(sims, (labels[:, None] == labels).to(sims.device))


def logged_values(loss_function: nn.Module) -> dict[str, float]:
    """Return what the method `log_values` of a loss returns, nothing if it has none."""
    return loss_function.log_values() if hasattr(loss_function, "log_values") else {}
