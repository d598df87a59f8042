"""The walk of rows through the trees of a forest, and what the trees say of each row.

A forest is one array of nodes of 8 bytes, every tree in preorder: a node's left child is the next
node, its right child so many nodes on as its step says. A leaf holds its value as float64 in the
place of a node. A row goes left where its feature is not above the threshold (NaN is no number: it
goes right).

mean        the plain sum in tree order, divided at the end, as scikit-learn does it
deviation   Welford (Technometrics 4, 1962): d = v - m; m += d / k; s += d * (v - m), at the end
            sqrt(s / n_trees), which never subtracts two large squares
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float32, float64, from_dtype, int64, uint8, uint32, void

from .compiling import compiled, inner, read_only

NODE = np.dtype([("threshold", "<f4"), ("step", "<u4")])
# A step, from the lowest bit on: the feature in as many bits as it takes, the distance to the right
# child, and whether the left and the right child are leaves.
LEFT_IS_LEAF, RIGHT_IS_LEAF, DISTANCE_END = 30, 31, 30
LANES = 4  # walks in flight at once, so that their cache misses overlap

_nodes = read_only(from_dtype(NODE), 1)
_values = read_only(float64, 1)
_roots = read_only(int64, 1)


@inner
def reach(nodes: Any, root: int, bits: int, x: Any, leaf: Any) -> None:
    """The leaf that each row of x reaches in one tree; a root below zero is the leaf ~root.

    A lane that reaches a leaf takes the next row at once, so that none waits for another; when no
    row is left it walks the last one again, until the other lanes are nearly done.
    """
    last = len(x) - 1
    if root < 0:
        leaf[:] = ~root
        return
    if last + 1 < LANES:
        for row in range(last + 1):
            finish(nodes, root, bits, x, row, leaf)
        return
    features = (uint32(1) << uint32(bits)) - uint32(1)
    distances = uint32((1 << DISTANCE_END) - 1)
    at, row_of = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    for lane in range(LANES):
        at[lane], row_of[lane] = root, lane
    taken = LANES
    while taken <= last + LANES:
        for lane in range(LANES):
            node, row = nodes[at[lane]], row_of[lane]
            right = not x[row, int64(node.step & features)] <= node.threshold
            # By arithmetic: a branch would be guessed wrong half the time.
            further = int64((node.step & distances) >> uint32(bits)) - 1
            child = at[lane] + 1 + (further & -int64(right))
            at[lane] = child
            if (node.step >> uint32(LEFT_IS_LEAF + right)) & uint32(1):
                leaf[row] = child
                at[lane], row_of[lane] = root, min(taken, last)
                taken += 1
    for lane in range(LANES):
        finish(nodes, at[lane], bits, x, row_of[lane], leaf)


@inner
def finish(nodes: Any, at: int, bits: int, x: Any, row: int, leaf: Any) -> None:
    """Follow one row from an inner node to its leaf."""
    features = (uint32(1) << uint32(bits)) - uint32(1)
    distances = uint32((1 << DISTANCE_END) - 1)
    is_leaf = uint32(0)
    while not is_leaf:
        step = nodes[at].step
        if x[row, int64(step & features)] <= nodes[at].threshold:
            at += 1
            is_leaf = (step >> uint32(LEFT_IS_LEAF)) & uint32(1)
        else:
            at += int64((step & distances) >> uint32(bits))
            is_leaf = (step >> uint32(RIGHT_IS_LEAF)) & uint32(1)
    leaf[row] = at


@compiled(void(_nodes, int64, int64, float32[:, ::1], int64[::1]))
def leaves(nodes: Any, root: int, bits: int, x: Any, leaf: Any) -> None:
    """The leaf of each row (n,) in one tree; leaves are numbered from left to right."""
    reach(nodes, root, bits, x, leaf)


@compiled(void(_nodes, _values, _roots, int64, float32[:, ::1], float64[::1], float64[::1]))
def walk(nodes: Any, values: Any, roots: Any, bits: int, x: Any, mean: Any, deviation: Any) -> None:
    """Mean and population standard deviation over the trees, of each row.

    Args:
        nodes: the forest.
        values: the same memory as float64, for the leaves.
        roots: (n_trees,), a root below zero is the leaf ~root.
        bits: how many bits of a step are the feature.
        x: (n, n_inputs), what features of the nodes point at.
        mean: (n,), zeros, becomes the mean.
        deviation: (n,), zeros, becomes the deviation.
    """
    rows, n_trees = len(x), len(roots)
    leaf, middle = np.empty(rows, np.int64), np.zeros(rows)
    for tree in range(n_trees):
        reach(nodes, roots[tree], bits, x, leaf)
        weight = 1.0 / (tree + 1)
        for row in range(rows):
            value = values[leaf[row]]
            mean[row] += value
            delta = value - middle[row]
            middle[row] += delta * weight
            deviation[row] += delta * (value - middle[row])
    for row in range(rows):
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
                step = nodes[at].step
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
