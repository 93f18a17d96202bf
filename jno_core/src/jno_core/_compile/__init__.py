"""Lowering a graph to JAX functions."""

from jno_core._compile.chunks import (
    Chunk as Chunk,
    ChunkedSet as ChunkedSet,
    chunk_sums as chunk_sums,
    chunks_of as chunks_of,
    plan_chunks as plan_chunks,
    reduced as reduced,
    rows_of as rows_of,
)
from jno_core._compile.concurrency import most_abreast as most_abreast
from jno_core._compile.cost import Cost as Cost, cost_of as cost_of
from jno_core._compile.data import instance_count as instance_count, varies_by_instance as varies_by_instance
from jno_core._compile.explain import ExplainedGroup as ExplainedGroup, explain_groups as explain_groups
from jno_core._compile.hash_consing import share as share
from jno_core._compile.lower import all_values as all_values, sampled_values as sampled_values
from jno_core._compile.operators import with_operators as with_operators
from jno_core._compile.part_sizes import ChunkPlan as ChunkPlan
from jno_core._compile.program import Program as Program
from jno_core._compile.staging import Kept as Kept, Staged as Staged

# Registers the rules by which scopes evaluate nodes.
from jno_core._compile import rules as rules  # isort: skip
