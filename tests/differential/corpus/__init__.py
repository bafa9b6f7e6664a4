"""The corpus: requests of our own making, by topic of the threat model, and mutations of good ones."""

from differential.corpus import body, fields, identity, lines, mutations, paths, proxying, sizes

_TOPICS = (body, lines, fields, sizes, paths, proxying, identity)


def cases(seed, count):
    """All cases in a fixed order; `count` mutations from `seed`."""
    found = [case for topic in _TOPICS for case in topic.cases()]
    found += mutations.cases(seed, count)
    names = [case.key for case in found]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})
    return found
