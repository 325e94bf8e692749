# SPDX-License-Identifier: GPL-2.0-or-later
"""Circles in a graph, which is {node: set of the nodes that it leads to}."""


def reachable(graph, start):
    """What can be reached from @start, which is in it only if a way leads back."""
    found, ways = set(), list(graph.get(start, ()))
    while ways:
        node = ways.pop()
        if node not in found:
            found.add(node)
            ways += graph.get(node, ())
    return found


def circles(graph, group):
    """The largest sets, sorted, of nodes that can all reach each other and are not all of one
    @group(node)."""
    reach = {node: reachable(graph, node) for node in graph}
    found = {frozenset(other for other in reach[node] if node in reach.get(other, ()))
             for node in graph if node in reach[node]}
    return sorted(sorted(circle) for circle in found if len({group(node) for node in circle}) > 1)
