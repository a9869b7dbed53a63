"""The checkpoints that a training keeps."""

from helpers.commands import train


def kept(folder):
    return sorted(path.name for path in folder.glob("*.pth"))


def test_with_save_only_best_the_last_epoch_is_kept_beside_the_best(run):
    """The last one is there to be resumed from."""
    folder, _ = train(run, "--set", "trainer.save_only_best=true", "--set", "trainer.epochs=4")
    assert kept(folder) == ["checkpoint-epoch4.pth", "trained_model.pth"]
    folder, _ = train(run, "--set", "trainer.save_only_best=false")
    assert kept(folder) == [*(f"checkpoint-epoch{epoch}.pth" for epoch in (1, 2, 3)), "trained_model.pth"]
