"""Settings of a config that are compared by cross-validation."""

import dataclasses

from utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Setting:
    """A name and the overrides of the config that it stands for."""

    name: str
    overrides: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Setting":
        """Read `NAME: KEY=VALUE KEY=VALUE ...`, where values are without spaces; raise an InputError for another form."""
        name, _, overrides = text.partition(": ")
        if not name.strip() or not overrides.split():
            example = "'slower: optimizer.args.lr=0.0005'"
            raise InputError(f"--compare '{text}': expected 'NAME: KEY=VALUE ...', for example {example}")
        return cls(name.strip(), tuple(overrides.split()))


REFERENCE = Setting("config")  # the config as it is
