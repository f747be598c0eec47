"""What tuning chose, from how many trials, and whether it lies at the edge of what was tried."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..storage.atomic_file import write_text
from .findings import shown
from .section import Section, markdown

Document = Mapping[str, object]
"""As `tuning.json` holds it."""


def write_tuning_report(document: Document, folder: Path) -> str:
    """Writes tuning.md and tuning.csv to the folder, and returns the first."""
    text = "\n\n".join([f"# {document['name']}: tuning", *map(markdown, tuning_sections(document))]) + "\n"
    write_text(folder / "tuning.md", text)
    write_text(folder / "tuning.csv", _csv_text(document))
    return text


def tuning_sections(document: Document) -> list[Section]:
    budget = f" at {document['budget']}" if document["budget"] else ""
    prompts, seeds = (", ".join(map(str, document[key])) for key in ("prompts", "seeds"))
    text = (
        f"{document['trials']} trials of every variant{budget}, by {document['objective']} ({document['goal']}), mean "
        f"over {prompts}, none of which is in the test; seeds {seeds}."
    )
    chosen = [
        [label, _settings_text(found["chosen"]), *_outcome(found)] for label, found in document["variants"].items()
    ]
    edges = list(_edge_sentences(document))
    grid = [
        [label, str(entry["trial"]), _values_text(entry["parameters"]), _value_text(entry["value"])]
        for label, found in document["variants"].items()
        for entry in found["grid"]
    ]
    return [
        Section(
            "Tuned settings",
            "\n\n".join([text, *edges]),
            ("variant", "chosen", str(document["objective"]), "trial"),
            chosen,
        ),
        Section("All trials of the tuning", "", ("variant", "trial", "tried", str(document["objective"])), grid),
    ]


def _edge_sentences(document: Document) -> Iterator[str]:
    for label, found in document["variants"].items():
        for name, edge in (found["chosen"] or {"edges": {}})["edges"].items():
            value = json.dumps(found["chosen"]["parameters"][name])
            yield (
                f"**{label}**: {name} = {value} lies at the {edge} edge of its range ({found['ranges'][name]}): "
                "what is best may lie beyond; widen it and tune again."
            )


def _settings_text(chosen: Mapping | None) -> str:
    return _values_text(chosen["parameters"]) if chosen else "not yet"


def _outcome(found: Mapping) -> list[str]:
    chosen = found["chosen"]
    return [_value_text(chosen["value"]), f"{chosen['trial']} of {len(found['grid'])}"] if chosen else ["", ""]


def _values_text(parameters: Mapping[str, object]) -> str:
    return ", ".join(f"{name} = {json.dumps(value)}" for name, value in parameters.items())


def _value_text(value: float | None) -> str:
    return "failed" if value is None else shown(value)


def _csv_text(document: Document) -> str:
    lines = [
        {"variant": label, "trial": entry["trial"], document["objective"]: entry["value"]}
        | {name: json.dumps(value) for name, value in entry["parameters"].items()}
        | {"is_chosen": bool(found["chosen"]) and entry["trial"] == found["chosen"]["trial"]}
        for label, found in document["variants"].items()
        for entry in found["grid"]
    ]
    file = io.StringIO()
    names = list(dict.fromkeys(name for line in lines for name in line))
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()
