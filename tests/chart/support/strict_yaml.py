"""YAML as Kubernetes reads it, and one thing more: a key that is given twice is a mistake."""

import yaml


class _Loader(yaml.CSafeLoader):
    """Strict about keys; dates stay text, as in JSON."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    assert not twice, f"given twice: {twice} at{node.start_mark}"
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))
_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))


def load_all(text: str) -> list:
    return list(yaml.load_all(text, Loader=_Loader))


def load(text: str):
    return yaml.load(text, Loader=_Loader)
