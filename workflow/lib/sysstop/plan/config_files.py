"""What only the text of a config file shows: a key that is given twice.

YAML and JSON forbid that, but PyYAML takes the last one in silence.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from sysstop.run.errors import UserError

MERGE = "<<"  # a mapping may take over several others
TEMPLATE = "__use_yte__"  # has conditional keys, of which one may be there twice


def check_config_files(files: Iterable[Path]) -> None:
    """Raise a `UserError` that lists each key that a mapping of a config file has twice."""
    mistakes = [mistake for file in files for mistake in _repeated_keys(file)]
    if mistakes:
        raise UserError(
            "A config file cannot be used:\n" + "\n".join(f"  - {line}" for line in mistakes)
        )


def _repeated_keys(file: Path) -> Iterator[str]:
    text = file.read_text(encoding="utf-8")
    if TEMPLATE in text:
        return
    left: list[tuple[tuple[str, ...], yaml.Node]] = [((), yaml.compose(text, yaml.SafeLoader))]
    seen: set[int] = set()
    while left:
        place, node = left.pop()
        if id(node) in seen:  # an alias, which may even contain itself
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            left += [((*place, str(number)), part) for number, part in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                inner, line = (*place, str(key.value)), key.start_mark.line + 1
                if inner[-1] in lines and inner[-1] != MERGE:
                    yield (
                        f"{file}: the key {'.'.join(inner)} is given twice, in lines "
                        f"{lines[inner[-1]]} and {line}, and only the last one would be used; put them "
                        "together, or remove one of them"
                    )
                lines[inner[-1]] = line
                left.append((inner, value))
