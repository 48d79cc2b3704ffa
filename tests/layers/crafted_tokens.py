"""Cases of norms, activations along an axis, and layers on sequences whose fields must suit their inputs."""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from archcalc.layers.axiswise import GLU, L2Norm
from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.dropout import Dropout2d
from archcalc.layers.layernorm import LayerNorm, RMSNorm
from archcalc.layers.learned import ClassToken, PositionEmbedding
from archcalc.layers.norm import GroupNorm, InstanceNorm
from archcalc.layers.relative_position import RelativePositionBias
from archcalc.layers.rotary import RotaryEmbedding
from tests.layers.strategies import CRAFTED, Case

FLAGS = st.booleans()
EPS = st.sampled_from((0.0, 1e-5, 0.1))


def shapes(low: int, high: int, most: int = 5) -> SearchStrategy[Sizes]:
    """Shapes of `low` to `high` axes of up to `most` each."""
    return st.lists(st.integers(1, most), min_size=low, max_size=high).map(tuple)


def axes_of(x: Sizes) -> SearchStrategy[int | None]:
    """How many of the last axes to normalise over; of a map it has to be said."""
    counts = st.integers(1, len(x))
    return counts if len(x) > 2 else counts | st.none()


@st.composite
def layernorms(draw: DrawFn) -> Case:
    x = draw(shapes(1, 4))
    return Case(LayerNorm(draw(axes_of(x)), draw(EPS), draw(FLAGS), draw(FLAGS)), (x,))


@st.composite
def rmsnorms(draw: DrawFn) -> Case:
    x = draw(shapes(1, 4))
    return Case(RMSNorm(draw(axes_of(x)), draw(st.none() | EPS), draw(FLAGS)), (x,))


@st.composite
def groupnorms(draw: DrawFn) -> Case:
    groups, each = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    return Case(GroupNorm(groups, draw(EPS), draw(FLAGS)), ((groups * each, *draw(shapes(0, 3, most=4))),))


@st.composite
def instancenorms(draw: DrawFn) -> Case:
    x = draw(shapes(2, 4, most=4))
    return Case(InstanceNorm(draw(EPS), draw(FLAGS), draw(FLAGS)), (x if draw(FLAGS) else (x[0], *[1] * len(x[1:])),))


@st.composite
def l2norms(draw: DrawFn) -> Case:
    x = draw(shapes(1, 4))
    axis = draw(st.integers(-len(x), len(x) - 1))
    return Case(L2Norm(axis, draw(st.sampled_from((1e-12, 1e-5, 3.0)))), (x,))


@st.composite
def glus(draw: DrawFn) -> Case:
    x = list(draw(shapes(1, 4)))
    axis = draw(st.integers(-len(x), len(x) - 1))
    x[axis] *= 2
    return Case(GLU(axis), (tuple(x),))


@st.composite
def position_embeddings(draw: DrawFn) -> Case:
    if draw(FLAGS):
        return Case(PositionEmbedding(), (draw(shapes(1, 4)),))
    tokens, features = draw(shapes(2, 2))
    length = draw(st.integers(max(1, tokens - 1), tokens + 3))  # one short now and then, which is refused
    return Case(PositionEmbedding(length=length), ((tokens, features),))


@st.composite
def ropes(draw: DrawFn) -> Case:
    heads, skip, turned = draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.sampled_from((2, 4, 6, 8, 5)))
    layer = RotaryEmbedding(
        heads=heads,
        theta=draw(st.sampled_from((10.0, 10000.0, 500000.0))),
        pairs=draw(st.sampled_from(("halves", "neighbours"))),
        skip=skip,
        stretch=draw(st.sampled_from((1.0, 1.0, 40.0))),
        context=draw(st.sampled_from((64, 4096))),
    )
    return Case(layer, ((*draw(shapes(1, 3, most=4)), heads * (skip + turned)),))


@st.composite
def relative_position_biases(draw: DrawFn) -> Case:
    layer = RelativePositionBias(
        heads=draw(st.integers(1, 3)),
        buckets=draw(st.sampled_from((2, 3, 4, 8, 9))),  # too few for both directions now and then
        max_distance=draw(st.sampled_from((1, 4, 8, 16))),
        bidirectional=draw(FLAGS),
    )
    return Case(layer, (draw(shapes(1, 2, most=9)),))


CRAFTED |= {
    "relative_position_bias": relative_position_biases(),
    "rope": ropes(),
    "layernorm": layernorms(),
    "rmsnorm": rmsnorms(),
    "groupnorm": groupnorms(),
    "instancenorm": instancenorms(),
    "l2norm": l2norms(),
    "glu": glus(),
    "position_embedding": position_embeddings(),
    "class_token": st.builds(Case, st.just(ClassToken()), st.tuples(shapes(2, 2))),
    "dropout2d": st.builds(Case, st.builds(Dropout2d), st.tuples(shapes(3, 3))),
}
