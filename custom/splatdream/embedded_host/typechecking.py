"""The checker behind `--typecheck`. A file of its own, because jaxtyping's import hook wants it by name."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int may stand for a float
