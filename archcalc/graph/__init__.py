"""The network as data: nodes that refer to values, and functions that make one graph of another. Knows no text.

A graph is made of a spec by `archcalc.spec.expand`, or in Python by a `Builder`; what comes after cannot tell which.

>>> from archcalc.graph.builder import Builder
>>> from archcalc.layers.conv import Conv2d
>>> from archcalc.layers.linear import Linear
>>> from archcalc.layers.merge import Add
>>> from archcalc.layers.piecewise import ReLU
>>> from archcalc.layers.reshape import Flatten
>>> net = Builder("tiny", input=(3, 32, 32))
>>> stem = net.add(Conv2d(filters=16, kernel=3, pad=1), name="stem")
>>> main = net.add(Conv2d(filters=16, kernel=3, pad=1), net.add(ReLU(), stem))
>>> joined = net.add(Add(), main, stem)
>>> fc = net.add(Linear(features=10), net.add(Flatten()))
>>> graph = net.graph()

It is analysed as any other, and written as a spec from which the same graph is read:

>>> import archcalc
>>> archcalc.analyze(graph).totals.params
166618
>>> from archcalc.analysis import graph_of
>>> from archcalc.spec.architecture import read
>>> from archcalc.spec.source import Document
>>> from archcalc.spec.writer import flat_spec
>>> text = flat_spec(graph)
>>> print(text.splitlines()[7].strip())
- add: {name: add2, from: [conv2, stem]}
>>> graph_of(read(Document("tiny.yaml", text))) == graph
True
"""

from archcalc.graph.nodes import Graph, Input, Node

__all__ = ["Graph", "Input", "Node"]
