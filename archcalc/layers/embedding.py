"""Tables of learned vectors that are looked up by index."""

from archcalc.layers.core.arithmetic import Shape
from archcalc.layers.core.base import Layer, Positive
from archcalc.layers.core.execution import Execution, Tensor
from archcalc.layers.core.twin import TorchTwin


class Embedding(Layer, kind="embedding"):
    """A learned vector for each word of a vocabulary: every index of the input becomes the vector that it names.

    Fields:
        vocabulary: how many vectors there are; the input holds indices from 0 to vocabulary - 1
        features: the size of each vector
    Shape: (T,) → (T, features); indices in any other shape likewise
    Params: vocabulary · features weights
    Ops: none: a vector is looked up, not computed
    Raises: nothing
    Source: torch.nn.Embedding

    >>> embedding = Embedding(vocabulary=50257, features=768)
    >>> embedding.output((1024,)), embedding.params((1024,)).total
    ((1024, 768), 38597376)
    """

    vocabulary: Positive
    features: Positive

    indices_below = "vocabulary"
    torch = TorchTwin("torch.nn.Embedding", num_embeddings="vocabulary", embedding_dim="features")

    def output(self, x: Shape) -> Shape:
        return (*x, self.features)

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return {"weight": (self.vocabulary, self.features)}

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        y = run.new((*x.shape, self.features), width=run.width, trains=True)
        run.keep(y, x)
        return y
