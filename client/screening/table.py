"""The rows of an output: what stood in the input, and what was answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from matminer_compute.client.steps import Answer, Part
from matminer_compute.client.tally import Tally

from .cutting import TableShard
from .readers import REFUSED

if TYPE_CHECKING:
    import pyarrow as pa

#: The columns of numbers beside the value, and those of text, which a CSV leaves empty.
NUMBERS = ("std", "lower", "upper", "in_training")
REASONS = ("rejected", "outside")
VERSIONS = ("model", "featurizer")
#: Where a batch keeps the tally of rows that it does not hold.
TALLY = b"tally"


def value_name(pair: Answer) -> str:
    """The name of the column of values: what they are, and in which unit."""
    unit = f" ({pair['unit']})" if pair.get("unit") else ""
    return f"{pair['property'] or 'value'}{unit}"


def schema_of(columns: Sequence[pa.Field], pair: Answer) -> pa.Schema:
    """The output's columns: the input's own, then what was answered."""
    import pyarrow as pa

    ours = [pa.field(name, pa.float64()) for name in (value_name(pair), *NUMBERS)]
    ours += [pa.field(name, pa.string()) for name in REASONS]
    ours += [pa.field(name, pa.dictionary(pa.int8(), pa.string())) for name in VERSIONS]
    taken = {field.name for field in ours}
    carried = [
        f.with_name(f"input {f.name}") if f.name in taken else f
        for f in columns
        if f.name != REFUSED
    ]
    return pa.schema([*carried, *ours], {"unit": pair.get("unit") or ""})


def answered(shard: TableShard, parts: list[Part], pair: Answer) -> pa.RecordBatch:
    """The rows of a shard with their answers."""
    import pyarrow as pa

    numbers = {name: np.full(len(shard), np.nan) for name in ("values", *NUMBERS)}
    reasons: dict[str, list[str | None]] = {name: [None] * len(shard) for name in REASONS}
    for part, answer in parts:
        start = part.first - shard.first
        rows = np.asarray(answer["rows"], dtype=np.int64) + start
        for name, column in numbers.items():
            if isinstance(said := answer.get(name), list):
                column[rows] = np.asarray(said, dtype=np.float64)  # None becomes NaN
        for row, value in answer.get("in_training", {}).items():
            numbers["in_training"][start + int(row)] = value
        for name, texts in reasons.items():
            for row, why in answer.get(name, {}).items():
                texts[start + int(row)] = why
    refused = shard.batch.column(REFUSED)
    if refused.null_count < len(shard):
        for row, why in enumerate(refused.to_pylist()):
            if why:
                reasons["rejected"][row], reasons["outside"][row] = why, None
    carried = [shard.batch.column(n) for n in shard.batch.schema.names if n != REFUSED]
    arrays = [pa.array(column, mask=np.isnan(column)) for column in numbers.values()]
    arrays += [pa.array(said, pa.string()) for said in reasons.values()]
    arrays += [
        _same(f"{pair[half]['name']} {pair[half]['version']}", len(shard)) for half in VERSIONS
    ]
    schema = schema_of(list(shard.batch.schema), pair)
    return pa.RecordBatch.from_arrays([*carried, *arrays], schema=schema)


def of_kept(parts: list[Part], pair: Answer) -> pa.RecordBatch:
    """What workers kept of parts of a space; the tally of all their candidates goes with it."""
    import pyarrow as pa

    tally = Tally()
    batches = []
    for _, answer in parts:
        tally.merge(Tally.from_json(answer["tally"]))
        formulas = pa.array(answer["formulas"], pa.string())
        rows = pa.record_batch({"formula": formulas, REFUSED: pa.nulls(len(formulas), pa.string())})
        shard = TableShard(rows, "formula", 0)
        batches.append(answered(shard, [(shard, answer | {"rows": range(len(shard))})], pair))
    (whole,) = pa.Table.from_batches(batches).combine_chunks().to_batches() or batches[:1]
    said = json.dumps(tally.as_json())
    return whole.replace_schema_metadata({**whole.schema.metadata, TALLY: said})


def _same(text: str, rows: int) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([text]))


def floats(batch: pa.RecordBatch, name: str) -> Any:
    """A column of numbers as float64, NaN where there is none."""
    return batch.column(name).to_numpy(zero_copy_only=False)
