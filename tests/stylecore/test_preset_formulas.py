"""Every preset: its terms and their gradient against the formula its source computes, in float64 beside it.

A formula gets features as the source's network gives them; of the core it uses nothing.
"""

from __future__ import annotations

import pytest
import torch
from reference_vgg import caffe_input, layers_of, random_pictures, random_state, relative, torchvision_input
from torch.nn.functional import mse_loss, pad

from stylecore import presets, weights
from stylecore.constants import Constants
from stylecore.encoder import Encoder
from stylecore.objective import TERMS, Objective, StyleTarget, Targets
from stylecore.settings import Settings

HEIGHT, WIDTH = 32, 48
RELU = [f"relu{block}_1" for block in range(1, 6)]
CHANNELS = dict(zip(RELU, [64, 128, 256, 512, 512], strict=True))


def products(features):
    """F Fᵀ of one picture, not divided by anything."""
    flat = features[0].flatten(1)
    return flat @ flat.T


def gram(features):
    """F Fᵀ / positions of one picture."""
    return products(features) / features[0, 0].numel()


def neighbours(picture):
    """Differences of vertical and of horizontal neighbours."""
    return picture[:, :, 1:] - picture[:, :, :-1], picture[:, :, :, 1:] - picture[:, :, :, :-1]


def gatys_2016(_x, f, p, a):
    """Eq. 1, 4 and 5 with F Fᵀ not divided, style and picture of one size; α/β = 1e-3."""
    drawn = 0.0
    for layer in [f"conv{block}_1" for block in range(1, 6)]:
        n, m = f[layer].shape[1], f[layer][0, 0].numel()
        drawn += 0.2 * (products(f[layer]) - products(a[layer])).square().sum() / (4 * n**2 * m**2)
    return {"content": 1e-3 * (f["conv4_2"] - p["conv4_2"]).square().sum() / 2, "style": drawn}


def gatys_notebook(_x, f, p, a):
    """MSE at relu4_2; 1e3 / C² · MSE of F Fᵀ / (H W)."""
    drawn = sum(1e3 / CHANNELS[layer] ** 2 * mse_loss(gram(f[layer]), gram(a[layer])) for layer in RELU)
    return {"content": mse_loss(f["relu4_2"], p["relu4_2"]), "style": drawn}


def neural_style(x, f, p, a):
    """5 · MSE; 100 · MSE of F Fᵀ / (C H W); 1e-3 · Σ |neighbours| of the network's input."""
    drawn = sum(
        100 * mse_loss(products(f[layer]) / f[layer].numel(), products(a[layer]) / a[layer].numel()) for layer in RELU
    )
    rough = sum(difference.abs().sum() for difference in neighbours(caffe_input(x)))
    return {"content": 5 * mse_loss(f["relu4_2"], p["relu4_2"]), "style": drawn, "total_variation": 1e-3 * rough}


def anishathalye(x, f, p, a):
    """2 · l2_loss is the sum of squares; each is divided by the number of what it sums."""
    drawn = 0.0
    for layer in RELU:
        difference = products(f[layer]) / f[layer].numel() - products(a[layer]) / a[layer].numel()
        drawn += 500 / 5 * difference.square().sum() / difference.numel()
    kept = 5 * (f["relu4_2"] - p["relu4_2"]).square().sum() / f["relu4_2"].numel()
    down, right = neighbours(caffe_input(x))
    rough = 100 * (down.square().sum() / down.numel() + right.square().sum() / right.numel())
    return {"content": kept, "style": drawn, "total_variation": rough}


def pytorch_tutorial(_x, f, p, a):
    """conv_4 against conv_1 … conv_5, each before its rectifier; F Fᵀ / (C H W)."""
    layers = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1"]
    drawn = sum(mse_loss(products(f[n]) / f[n].numel(), products(a[n]) / a[n].numel()) for n in layers)
    return {"content": mse_loss(f["conv2_2"], p["conv2_2"]), "style": 1e6 * drawn, "total_variation": 0.0}


def chollet(x, f, p, a):
    """Sums; Gram matrices not divided; 4 · 3² · (height · width)²; (a + b)^1.25 where both neighbours are there."""
    drawn = 0.0
    for layer in RELU:
        square = (products(f[layer]) - products(a[layer])).square().sum()
        drawn += 1e-6 / 5 * square / (4.0 * 3**2 * (HEIGHT * WIDTH) ** 2)
    y = caffe_input(x)
    below = (y[:, :, : HEIGHT - 1, : WIDTH - 1] - y[:, :, 1:, : WIDTH - 1]).square()
    right = (y[:, :, : HEIGHT - 1, : WIDTH - 1] - y[:, :, : HEIGHT - 1, 1:]).square()
    return {
        "content": 2.5e-8 * (f["relu5_2"] - p["relu5_2"]).square().sum(),
        "style": drawn,
        "total_variation": 1e-6 * (below + right).pow(1.25).sum(),
    }


def google_tutorial(x, f, p, a):
    """1e4 · MSE at block5_conv2; 1e-2 / 5 · MSE of Gram matrices; 30 · Σ |neighbours| in 0..1."""
    drawn = sum(1e-2 / 5 * (gram(f[layer]) - gram(a[layer])).square().mean() for layer in RELU)
    rough = 30 * sum(difference.abs().sum() for difference in neighbours(x))
    return {
        "content": 1e4 * (f["relu5_2"] - p["relu5_2"]).square().mean(),
        "style": drawn,
        "total_variation": rough,
    }


def hvass(x, f, p, a):
    """Means over layers of MSEs, Gram matrices not divided; each loss times a constant reciprocal of its own value."""
    layers = [name for name in f if name.startswith("relu")]
    assert len(layers) == 13
    losses = {
        "content": (1.5, mse_loss(f[layers[4]], p[layers[4]])),
        "style": (10.0, sum(mse_loss(products(f[layer]), products(a[layer])) for layer in layers) / 13),
        "total_variation": (0.3, sum(difference.abs().sum() for difference in neighbours(x * 255))),
    }
    return {name: weight * loss / (loss.detach() + 1e-10) for name, (weight, loss) in losses.items()}


def style_reconstruction_2018(_x, f, _p, a):
    """Σ (ΔG)² / (4 N² M²) over five rectified layers, 1/5 each."""
    drawn = 0.0
    for layer in RELU:
        filters, size = f[layer].shape[1], f[layer][0, 0].numel()
        drawn += 1 / 5 * (products(f[layer]) - products(a[layer])).square().sum() / (4 * filters**2 * size**2)
    return {"content": 0.0, "style": drawn, "total_variation": 0.0}


def gaussian(features):
    """Mean and covariance of one picture's features, the covariance with 1e-4 on its diagonal."""
    flat = features[0].flatten(1)
    mean = flat.mean(1)
    covariance = flat @ flat.T / flat.shape[1] - torch.outer(mean, mean)
    return mean, covariance + 1e-4 * torch.eye(len(mean), dtype=torch.float64)


def crowsonkb(x, f, p, a):
    """0.015 · MSE; Wasserstein-2 distances, 256 … 1 of 341; 2 · nine-point total variation in 0..1."""
    drawn = 0.0
    for layer, share in zip(RELU, [256, 64, 16, 4, 1], strict=True):
        (mean, covariance), (other, target) = gaussian(f[layer]), gaussian(a[layer])
        values, vectors = torch.linalg.eigh(target)
        root = vectors * values.sqrt() @ vectors.T
        both = torch.linalg.eigvalsh(root @ covariance @ root).sqrt().sum()
        spread = (covariance.trace() + target.trace() - 2 * both) / len(mean)
        drawn += share / 341 * ((mean - other).square().mean() + spread)
    y = pad(x, (1, 1, 1, 1), "replicate")
    right, below = y[..., 1:-1, 2:] - y[..., 1:-1, 1:-1], y[..., 2:, 1:-1] - y[..., 1:-1, 1:-1]
    falling, rising = y[..., 1:, 1:] - y[..., :-1, :-1], y[..., 1:, :-1] - y[..., :-1, 1:]
    rough = 2 * sum(d.square().mean() / n for d, n in ((right, 3), (below, 3), (falling, 12), (rising, 12)))
    kept = 0.015 * mse_loss(f["relu4_2"], p["relu4_2"])
    return {"content": kept, "style": drawn, "total_variation": 2 * rough}


def replicated(signal):
    return pad(signal, (1, 1, 1, 1), "replicate")


# For each preset its formula, whether it wants pictures of one size, and its network: architecture, input, the rest.
# Where the source's layers are in the file that ships, features are of that, else of random weights.
SHIPPED = ("vgg19", "caffe", {})
PUBLISHED = {
    "gatys-2016": (gatys_2016, True, ("vgg19", "caffe", {"pooling": "average"})),
    "gatys-notebook": (gatys_notebook, False, SHIPPED),
    "neural-style": (neural_style, False, SHIPPED),
    "anishathalye": (anishathalye, False, SHIPPED),
    "pytorch-tutorial": (pytorch_tutorial, False, ("vgg19-torchvision", "torchvision", {})),
    "chollet": (chollet, True, ("vgg19-torchvision", "caffe", {})),
    "google-tutorial": (google_tutorial, False, ("vgg19-torchvision", "caffe", {})),
    "hvass": (hvass, True, ("vgg16-torchvision", "caffe", {})),
    "style-reconstruction-2018": (style_reconstruction_2018, True, SHIPPED),
    "crowsonkb": (crowsonkb, False, ("vgg19-torchvision", "torchvision", {"pad_first": replicated})),
}


def of_the_core(settings, state, convention, picture, content, style):
    """Terms and gradient as the core computes them."""
    architecture = settings.encoder.split("-")[0]
    encoder = Encoder(state, architecture, convention=convention, pooling=settings.pooling, padding=settings.padding)
    constants, statistics = Constants(encoder), list(settings.style_statistic)
    if settings.method == "style-reconstruction":
        kept = {}
    else:
        kept = constants.content(content, "content", list(settings.content_layers))
    drawn = StyleTarget(constants.style(style, "style", list(settings.style_layers), statistics))
    targets = Targets(kept, (drawn,), settings)
    losses, gradient, terms = Objective(encoder, [targets], (WIDTH, HEIGHT)).evaluate(picture)
    assert float(losses[0]) == pytest.approx(float(terms.sum()), rel=1e-6)
    return dict(zip(TERMS, terms[:, 0].tolist(), strict=True)), gradient


@pytest.mark.parametrize("name", presets.PUBLISHED)
def test_loss_and_gradient_are_the_published_ones(name):
    formula, same_size, (named, convention, options) = PUBLISHED[name]
    settings = Settings.resolve({"preset": name, "encoder": named})
    architecture = named.split("-")[0]
    state = weights.load(weights.resolve("vgg19")) if named == "vgg19" else random_state(architecture)
    picture, content = random_pictures(1, HEIGHT, WIDTH, 1), random_pictures(1, HEIGHT, WIDTH, 2)
    style = random_pictures(1, HEIGHT, WIDTH, 3) if same_size else random_pictures(1, 40, 36, 3)

    entered = caffe_input if convention == "caffe" else torchvision_input
    leaf = picture.double().requires_grad_()
    seen = [layers_of(entered(y), architecture=architecture, state=state, **options) for y in (leaf, content, style)]
    published = formula(leaf, *seen)
    (gradient,) = torch.autograd.grad(sum(published.values()), leaf)
    published = {term: float(torch.as_tensor(value).detach()) for term, value in published.items()}

    terms, actual = of_the_core(settings, state, convention, picture, content, style)
    for term in TERMS:
        assert terms[term] == pytest.approx(published.get(term, 0.0), rel=1e-4), term
    assert relative(actual, gradient) < 1e-4


def test_every_preset_has_its_formula():
    assert set(PUBLISHED) == set(presets.PUBLISHED)
