"""Linear functionals of nodal values, a row of weights for each node."""

import dataclasses
from collections.abc import Sequence
from typing import final

import numpy as np
import scipy.sparse as sparse
from jaxtyping import Float, Int


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Stencil:
    """Weights of neighbouring nodal values: `result[a, i] = sum_k weights[a, i, k] * values[neighbours[i, k]]`.

    - `neighbours`: for each node, in the order of the mesh, the nodes that its rows read, `(n, k)`. Column 0 is the node
      itself; shorter rows are padded with the node itself.
    - `weights`: one table for each of the `a` results, `(a, n, k)`, padded with 0.
    """

    neighbours: Int[np.ndarray, "n k"]
    weights: Float[np.ndarray, "a n k"]

    def matrices(self) -> tuple[sparse.csr_array, ...]:
        """Each result as a sparse matrix `(n, n)` that is multiplied with the nodal values."""
        n, k = self.neighbours.shape
        ends = np.arange(0, n * k + 1, k)
        columns = self.neighbours.ravel()
        matrices = tuple(
            sparse.csr_array((w.flatten(), columns.copy(), ends.copy()), shape=(n, n)) for w in self.weights
        )
        for matrix in matrices:
            matrix.sum_duplicates()
        return matrices

    def combined(self, coefficients: Float[np.ndarray, "b a"]) -> "Stencil":
        """The stencil of linear combinations of the results: `coefficients @ results`."""
        return Stencil(self.neighbours, np.tensordot(np.asarray(coefficients, dtype=np.float64), self.weights, axes=1))


def stencil_on(pattern: sparse.csr_array, matrices: Sequence[sparse.csr_array]) -> Stencil:
    """The stencil of sparse matrices whose entries all lie on the non-zeros of `pattern`.

    A matrix may lack entries of the pattern: SciPy's products and sums drop those that cancel to zero.
    """
    neighbours, slots = padded(pattern)
    entries = _entries(pattern)
    weights = np.zeros((len(matrices), neighbours.size))
    for row, matrix in zip(weights, matrices, strict=True):
        matrix.sort_indices()
        row[slots[np.searchsorted(entries, _entries(matrix))]] = matrix.data
    return Stencil(neighbours, weights.reshape(len(matrices), *neighbours.shape))


def padded(
    pattern: sparse.csr_array, nodes: Int[np.ndarray, " r"] | None = None
) -> tuple[Int[np.ndarray, "r k"], Int[np.ndarray, " nnz"]]:
    """The columns of each row of `pattern` as a table, and the flat place in it of each of the pattern's entries.

    Row `i` belongs to `nodes[i]` (to node `i` by default). It holds its own node, which comes first in the table and pads
    it. The pattern is sorted in place.
    """
    pattern.sort_indices()
    own = (np.arange(pattern.indptr.size - 1) if nodes is None else nodes).astype(np.int32)
    counts = np.diff(pattern.indptr)
    columns, of_row = pattern.indices, np.repeat(own, counts)
    # The columns before the node's own one move up by one place, to make room for it.
    place = np.arange(columns.size) - np.repeat(pattern.indptr[:-1], counts) + (columns < of_row)
    place[columns == of_row] = 0
    width = int(np.max(counts))
    slots = np.repeat(np.arange(len(own)) * width, counts) + place
    table = np.repeat(own[:, None], width, axis=1)
    table.ravel()[slots] = columns
    return table, slots


def assembled(n: int, pieces: list[tuple[Int[np.ndarray, " r"], Stencil]]) -> Stencil:
    """The stencil of `n` nodes from the rows of some of them at a time; the rows of nodes in no piece are zero.

    The nodes of a piece ascend. In memory the tables lie slot by slot, as they are applied. The list is emptied, so that
    not all rows are in memory twice.
    """
    width = max((rows.neighbours.shape[1] for _, rows in pieces), default=1)
    results = len(pieces[0][1].weights) if pieces else 1
    neighbours = np.repeat(np.arange(n, dtype=np.int32)[None], width, axis=0).T
    weights = np.zeros((results, width, n)).swapaxes(1, 2)
    while pieces:
        nodes, rows = pieces.pop()
        k = rows.neighbours.shape[1]
        gapless = nodes[-1] - nodes[0] == len(nodes) - 1
        place = slice(nodes[0], nodes[-1] + 1) if gapless else nodes
        neighbours[place, :k] = rows.neighbours
        weights[:, place, :k] = rows.weights
    return Stencil(neighbours, weights)


def _entries(matrix: sparse.csr_array) -> Int[np.ndarray, " nnz"]:
    """Row and column of each entry of a square matrix as one number, ascending if the columns are sorted."""
    counts = np.diff(matrix.indptr)
    return np.repeat(np.arange(counts.size) * counts.size, counts) + matrix.indices
