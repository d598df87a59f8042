"""What the trees of a forest say of each row.

A forest is one array of nodes of 8 bytes, every tree in preorder: a node's left child is the next
node, its right child so many nodes on as its step says. A leaf holds its value as float64 in the
place of a node. A row goes left where its feature is not above the threshold (NaN is no number: it
goes right).

All rows go down a tree together, as in training: at each node they are parted into those that go
left and those that go right, and a node is read once for all rows that come by. A few rows that
are left over walk alone.

mean        the plain sum in tree order, divided at the end, as scikit-learn does it
deviation   Welford (Technometrics 4, 1962): d = v - m; m += d / k; s += d * (v - m), at the end
            sqrt(s / n_trees), which never subtracts two large squares

Who wants another centre than the mean asks for what every tree says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float32, float64, from_dtype, int64, uint8, uint32, uint64, void

from .compiling import compiled, inner, read_only

NODE = np.dtype([("threshold", "<f4"), ("step", "<u4")])
# A step, from the lowest bit on: the feature in as many bits as it takes, the distance to the right
# child, and whether the left and the right child are leaves.
LEFT_IS_LEAF, RIGHT_IS_LEAF, DISTANCE_END = 30, 31, 30
FEW = 8  # rows that walk alone: parting fewer costs more
TILE = 16  # float32 in a line of the processor's cache

# Places are unsigned: of signed ones numba would test each for being negative.
ZERO, ONE = uint64(0), uint64(1)
DISTANCES = uint64((1 << DISTANCE_END) - 1)

_nodes = read_only(from_dtype(NODE), 1)
_values = read_only(float64, 1)
_roots = read_only(int64, 1)


@inner
def parts(node: Any, bits: int) -> Any:
    """Of an inner node: feature, distance to the right child, whether left and right are leaves."""
    step, shift = uint64(node["step"]), uint64(bits)
    feature, distance = step & ((ONE << shift) - ONE), (step & DISTANCES) >> shift
    return feature, distance, (step >> uint64(LEFT_IS_LEAF)) & ONE, step >> uint64(RIGHT_IS_LEAF)


@inner
def alone(nodes: Any, at: Any, bits: int, x: Any, row: Any, stride: Any) -> Any:
    """The leaf that one row reaches from an inner node on; its features are x[row + f * stride]."""
    # A branch, though it is guessed wrong half the time: guessed right, it fetches what is next.
    while True:
        feature, distance, left_is_leaf, right_is_leaf = parts(nodes[at], bits)
        if x[row + feature * stride] <= nodes[at]["threshold"]:
            at += ONE
            if left_is_leaf:
                return at
        else:
            at += distance
            if right_is_leaf:
                return at


@inner
def part(x: Any, column: Any, threshold: float, rows: Any, start: Any, end: Any, spare: Any) -> Any:
    """Put the rows from start to end that go left before the others, and say where these begin."""
    middle, others = start, ZERO
    for i in range(start, end):
        row = uint64(rows[i])
        goes_left = uint64(x[column + row] <= threshold)
        rows[middle] = spare[others] = row  # no branch: both are written, one is kept
        middle += goes_left
        others += ONE - goes_left
    for i in range(others):
        rows[middle + i] = spare[i]
    return middle


@inner
def together(
    nodes: Any,
    values: Any,
    root: int,
    bits: int,
    x: Any,
    rows: Any,
    spare: Any,
    waiting: Any,
    said: Any,
) -> None:
    """What one tree says of each row.

    x holds one column of n rows after the other; rows (n,) holds each row once, in any order; spare
    (n,) and waiting (n, 3) are room to work in: no more groups wait than there are rows.
    """
    n, depth = uint64(len(rows)), ZERO
    at, is_leaf = (uint64(root), ZERO) if root >= 0 else (uint64(~root), ONE)
    start, end = ZERO, n
    while True:
        if not is_leaf and end - start >= uint64(FEW):
            feature, distance, left_is_leaf, right_is_leaf = parts(nodes[at], bits)
            middle = part(x, feature * n, nodes[at]["threshold"], rows, start, end, spare)
            if middle < end:
                if middle == start:
                    at, is_leaf = at + distance, right_is_leaf
                    continue
                waiting[depth, 0] = (at + distance) << ONE | right_is_leaf
                waiting[depth, 1], waiting[depth, 2] = middle, end
                depth += ONE
            at, is_leaf, end = at + ONE, left_is_leaf, middle
            continue
        for i in range(start, end):
            row = uint64(rows[i])
            said[row] = values[at if is_leaf else alone(nodes, at, bits, x, row, n)]
        if depth == ZERO:
            return
        depth -= ONE
        at, is_leaf = waiting[depth, 0] >> ONE, waiting[depth, 0] & ONE
        start, end = waiting[depth, 1], waiting[depth, 2]


@compiled(void(_nodes, int64, int64, float32[::1], int64[::1]), rows=4, few=2_000)
def leaves(nodes: Any, root: int, bits: int, x: Any, leaf: Any) -> None:
    """The leaf of each row (n,) in one tree; leaves are numbered from left to right.

    x holds one row after the other.
    """
    n = uint64(len(leaf))
    width = uint64(len(x)) // n
    for row in range(n):
        leaf[row] = alone(nodes, uint64(root), bits, x, row * width, ONE)


@compiled(
    void(
        _nodes,
        _values,
        _roots,
        int64,
        read_only(float32, 2),
        _roots,
        float64[:, ::1],
        float64[::1],
        float64[::1],
    ),
    rows=5,
    few=300,
)
def walk(
    nodes: Any,
    values: Any,
    roots: Any,
    bits: int,
    x: Any,
    which: Any,
    said: Any,
    mean: Any,
    deviation: Any,
) -> None:
    """Mean and population standard deviation over the trees, of some rows.

    Args:
        nodes: the forest.
        values: the same memory as float64, for the leaves.
        roots: (n_trees,), a root below zero is the leaf ~root.
        bits: how many bits of a step are the feature.
        x: (rows, n_inputs), what features of the nodes point at.
        which: (n,), the rows asked for, best in an order in which neighbours are alike.
        said: (n_trees, n), becomes what each tree says; (1, n) is room enough if nobody asks.
        mean: (n,), zeros, becomes the mean.
        deviation: (n,), zeros, becomes the deviation.
    """
    n, n_trees = len(which), len(roots)
    columns = np.empty(x.shape[1] * n, np.float32)
    for tile in range(0, n, TILE):
        for f in range(x.shape[1]):
            for i in range(tile, min(tile + TILE, n)):
                columns[f * n + i] = x[which[i], f]
    rows, spare = np.empty(n, np.uint32), np.empty(n, np.uint32)
    for row in range(n):
        rows[row] = row
    waiting, middle = np.empty((n, 3), np.uint64), np.zeros(n)
    for tree in range(n_trees):
        here = said[min(tree, len(said) - 1)]
        together(nodes, values, roots[tree], bits, columns, rows, spare, waiting, here)
        weight = 1.0 / (tree + 1)
        for row in range(n):
            mean[row] += here[row]
            delta = here[row] - middle[row]
            middle[row] += delta * weight
            deviation[row] += delta * (here[row] - middle[row])
    for row in range(n):
        mean[row] /= n_trees
        deviation[row] = np.sqrt(deviation[row] / n_trees)


@compiled(boolean(_nodes, _roots, int64, int64))
def is_sound(nodes: Any, roots: Any, bits: int, n_inputs: int) -> bool:
    """Whether every walk stays in its tree and ends: each node is the child of one before it."""
    inner_node, leaf_node = uint8(1), uint8(2)
    kind = np.zeros(len(nodes), np.uint8)
    for tree in range(len(roots)):
        first = roots[tree] if roots[tree] >= 0 else ~roots[tree]
        end = len(nodes)
        if tree + 1 < len(roots):
            end = roots[tree + 1] if roots[tree + 1] >= 0 else ~roots[tree + 1]
        if not 0 <= first < end <= len(nodes) or (tree == 0 and first > 0):
            return False
        kind[first] = inner_node if roots[tree] >= 0 else leaf_node
        for at in range(first, end):
            if kind[at] == 0:
                return False
            if kind[at] == inner_node:
                step = nodes[at]["step"]
                feature = int64(step & ((uint32(1) << uint32(bits)) - uint32(1)))
                distance = int64((step & uint32((1 << DISTANCE_END) - 1)) >> uint32(bits))
                if feature >= n_inputs or distance < 2 or at + distance >= end:
                    return False
                if kind[at + 1] != 0 or kind[at + distance] != 0:
                    return False
                is_leaf = (step >> uint32(LEFT_IS_LEAF)) & uint32(1)
                kind[at + 1] = leaf_node if is_leaf else inner_node
                is_leaf = (step >> uint32(RIGHT_IS_LEAF)) & uint32(1)
                kind[at + distance] = leaf_node if is_leaf else inner_node
    return True
