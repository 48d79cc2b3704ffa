"""Vectors in place of single numbers: learned ones that are looked up by index, and waves of a number."""

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Shape, divides, require
from archcalc.layers.core.base import Layer, Ops, Positive, Visibility, elements
from archcalc.layers.core.execution import Execution, Gradient, Keeps, Tensor
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

    gradient = Gradient.NEW
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


class TimestepEmbedding(Layer, kind="timestep_embedding"):
    """Sines and cosines of a number at many speeds, by which a diffusion model knows how noisy its input is.

    With n features, pair i of the number t is cos(t · w) and sin(t · w) with w = period^(-2i / n); the cosines of all
    pairs come first.

    Fields:
        features: how many waves there are for each number, half of them cosines
        period: how much longer than the first wave the last one would be, after n / 2 more steps
    Shape: (T,) → (T, features); numbers in any other shape likewise
    Params: none
    Ops: per number features / 2 multiplications (angles), as many cosines and as many sines
    Raises: an odd number of features
    Source: Ho et al., "Denoising Diffusion Probabilistic Models", arXiv:2006.11239; Vaswani et al., arXiv:1706.03762,
        section 3.5

    >>> waves = TimestepEmbedding(features=320)
    >>> waves.output((1,)), waves.ops((1,), (1, 320)).special
    ((1, 320), 320)
    """

    features: Positive
    period: Positive = 10000

    torch = TorchTwin("archcalc.torch_backend.twins.waves.waves", call="function", features="features", period="period")

    def output(self, x: Shape) -> Shape:
        require(
            divides(2, self.features),
            lambda: LayerError(
                f"{self.features} features are not as many cosines as sines",
                field="features",
                hint="give an even number",
                assume=(*x, self.features),
            ),
        )
        return (*x, self.features)

    def ops(self, x: Shape, y: Shape) -> Ops:
        angles = elements(x) * (self.features // 2)
        return Ops(multiplications=angles, special=2 * angles)

    def window(self, x: Shape) -> Visibility:
        return Visibility.UNKNOWN

    def execute(self, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
        precise = x if x.width == run.statistics_width else run.cast(x, run.statistics_width)
        speeds = run.new((self.features // 2,), width=precise.width)
        angles = run.product(run.view(precise, (*x.shape, 1), (*precise.strides, 1)), speeds)
        halves = [run.elementwise(angles, keeps=Keeps.INPUT) for _ in ("cosines", "sines")]
        y = run.concatenated(halves, len(x.shape))
        run.free(speeds, angles, *halves)
        return y if precise is x else run.cast(y, x.width)
