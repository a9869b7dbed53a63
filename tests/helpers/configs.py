"""Comparisons of nested configs."""


def leaves(content, path=()):
    """Yield the path of keys and the value of each entry that is no section."""
    for key, value in content.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def contains(whole, part):
    """Return whether each value of the nested dict `part` is in `whole` at the same place."""
    if not isinstance(part, dict):
        return whole == part
    return isinstance(whole, dict) and all(key in whole and contains(whole[key], value) for key, value in part.items())
