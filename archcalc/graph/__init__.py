"""The network as data: nodes that refer to values, and functions that make one graph of another. Knows no text.

A graph is made of a spec by `archcalc.spec.expand`, or in Python by a `Builder`; later stages see no difference.

>>> from archcalc.graph.builder import Builder
>>> from archcalc.layers import kinds
>>> conv, embedding, linear, flatten, add = map(kinds().get, ("conv", "embedding", "linear", "flatten", "add"))
>>> net = Builder("tiny", input={"image": (3, 32, 32), "ids": (7,)})
>>> stem = net.add(conv(filters=16, kernel=3, pad=1), net.inputs["image"], name="stem")
>>> boxes = net.add(conv(filters=4, kernel=1), name="boxes")
>>> seen = net.add(linear(features=8), net.add(flatten(), stem))
>>> heard = net.add(linear(features=8), net.add(flatten(), net.add(embedding(50, 16), net.inputs["ids"])))
>>> both = net.add(add(), seen, heard)
>>> classes = net.add(linear(features=10), name="classes")
>>> graph = net.graph(outputs=[classes, boxes])

It is analysed as any other, and written as a spec from which the same graph is read:

>>> import archcalc
>>> archcalc.analyze(graph).totals.params
133390
>>> from archcalc.analysis import graph_of
>>> from archcalc.spec.architecture import read
>>> from archcalc.spec.source import Document
>>> from archcalc.spec.writer import flat_spec
>>> text = flat_spec(graph)
>>> text.splitlines()[2:4]
['inputs: {image: [3, 32, 32], ids: [7]}', 'outputs: [classes, boxes]']
>>> graph_of(read(Document("tiny.yaml", text))) == graph
True
"""

from archcalc.graph.nodes import Graph, Input, Node

__all__ = ["Graph", "Input", "Node"]
