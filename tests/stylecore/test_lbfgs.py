"""L-BFGS: what it promises of its steps, and its speed against torch's own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from landscapes import SHAPE, quadratic, random, rosenbrock, run

from flows import samples
from stylecore import images, weights
from stylecore.constants import Constants
from stylecore.encoder import warm_encoder
from stylecore.lbfgs import FIRST_MOVE, LARGEST_MOVE, lbfgs
from stylecore.methods.batch import tensor_of
from stylecore.objective import Objective, StyleTarget, Targets
from stylecore.settings import Settings


@pytest.mark.parametrize("exponent", [0.0, 0.25])
def test_beats_gradient_descent_on_an_ill_conditioned_quadratic(exponent):
    """Condition 1e4; gradient descent with the best constant step, 2 / (smallest + largest)."""
    stiffness = torch.logspace(0, 4, 3 * 6 * 8).view(1, *SHAPE)
    evaluate, start = quadratic(stiffness, torch.zeros(1, *SHAPE)), random(1, *SHAPE) - 0.5
    descended = start * (1 - 2 / (1 + 1e4) * stiffness) ** 200
    last = run(lbfgs, start, evaluate, 200, spectral_exponent=exponent)[-1]
    assert float(last.losses[0]) < 1e-3 * float(evaluate(descended)[0][0])


def test_reaches_the_minimum_of_rosenbrock():
    start = torch.full((1, 1, 1, 2), -1.0)
    start[..., 1] = 1.2
    last = run(lbfgs, start, rosenbrock(100.0), 120)[-1]
    torch.testing.assert_close(last.pictures, torch.ones(1, 1, 1, 2), rtol=1e-3, atol=1e-3)


def test_shows_the_best_so_far():
    start, seen = random(1, *SHAPE), []

    def evaluate(pictures):
        losses, gradients = rosenbrock(5000.0)(pictures)
        seen.append((float(losses[0]), pictures.clone()))
        return losses, gradients

    steps = run(lbfgs, start, evaluate, 60)
    assert len(seen) == len(steps)  # one evaluation a step
    assert not all(step.fresh for step in steps)
    for number, step in enumerate(steps):
        loss, picture = min(seen[: number + 1], key=lambda pair: pair[0])
        assert float(step.losses[0]) == loss
        assert torch.equal(step.pictures, picture)
        assert bool(step.fresh[0]) == (seen[number][0] == loss)


def test_moves_no_pixel_far():
    """Neither at first, nor when the first two gradients tell nothing of the curvature."""
    tried = []

    def evaluate(pictures):
        tried.append(pictures)
        return quadratic(torch.full((1, *SHAPE), 1e-6), torch.full((1, *SHAPE), 100.0))(pictures)

    run(lbfgs, torch.zeros(1, *SHAPE), evaluate, 10)
    moves = [float((b - a).abs().max()) for a, b in itertools.pairwise(tried)]
    assert moves[0] == pytest.approx(FIRST_MOVE)
    assert max(moves) == pytest.approx(LARGEST_MOVE)


def test_a_smooth_direction_is_preferred():
    """The first move under the spectral exponent has less of the high frequencies than the gradient has."""
    rough = random(1, 3, 32, 32) - 0.5
    evaluate = quadratic(torch.ones(1, 3, 32, 32), rough)
    shares = []
    for exponent in (0.0, 0.25):
        move = run(lbfgs, torch.zeros(1, 3, 32, 32), evaluate, 2, spectral_exponent=exponent)[1].pictures
        shares.append(float(move.diff(dim=3).square().mean() / move.square().mean()))
    assert shares[1] < 0.8 * shares[0]


def test_goes_on_where_the_loss_is_blurred():
    """A loss that is rounded to 8 bits, as by bf16, hides small gains; the gradient still shows the way."""
    stiffness = torch.logspace(0, 3, 3 * 6 * 8).view(1, *SHAPE)
    exact = quadratic(stiffness, torch.zeros(1, *SHAPE))

    def blurred(pictures):
        losses, gradients = exact(pictures)
        noise = 1 + 5e-4 * torch.sin(1e5 * pictures.sum((1, 2, 3)))
        return (losses + 100) * noise, gradients.bfloat16().float()

    last = run(lbfgs, random(1, *SHAPE) - 0.5, blurred, 200)[-1]
    assert float(exact(last.pictures)[0][0]) < 1e-3


def test_without_a_line_search_every_finite_step_is_taken():
    """On a valley so steep that Armijo's condition fails; a point that was taken is where the next step starts."""
    tried = []

    def evaluate(pictures):
        losses, gradients = rosenbrock(5000.0)(pictures)
        tried.append((float(losses[0]), pictures))
        return losses, gradients

    start = random(1, *SHAPE)
    bold = [dict(step.state()) for step in run_states(start, evaluate, 20, learning_rate=4, line_search=False)]
    assert all(torch.equal(state["pictures"], picture) for state, (_, picture) in zip(bold, tried, strict=True))
    assert any(b[0] > a[0] for a, b in itertools.pairwise(tried))  # or there was nothing to take back
    careful = [dict(step.state()) for step in run_states(start, rosenbrock(5000.0), 20, learning_rate=4)]
    assert any(torch.equal(a["pictures"], b["pictures"]) for a, b in itertools.pairwise(careful))


def test_without_a_line_search_a_step_to_no_number_is_taken_back():
    def evaluate(pictures):
        losses, gradients = quadratic(torch.ones(1, *SHAPE), torch.zeros(1, *SHAPE))(pictures)
        return torch.where(losses < 10, torch.nan, losses), gradients

    start = torch.full((1, *SHAPE), 0.5)  # a loss of 18, and no number near the minimum
    last = run(lbfgs, start, evaluate, 40, line_search=False)[-1]
    assert 10 <= float(last.losses[0]) < 18
    assert torch.isfinite(last.pictures).all()


def run_states(start, evaluate, steps, **options):
    """Steps whose states are asked for before the next."""
    for step in itertools.islice(lbfgs(start, evaluate, **options), steps):
        state = {name: tensor.clone() for name, tensor in step.state().items()}
        yield type(step)(step.pictures, step.losses, step.fresh, lambda state=state: state)


@pytest.fixture(scope="module")
def real():
    """A Gram objective on two samples at 64 px in float32, and its start."""
    layers = [f"relu{block}_1" for block in range(1, 6)]
    settings = Settings(style_statistic="gram", style_layers=layers, style_weight=20, tv_weight=2e-3)
    encoder = warm_encoder(
        weights.resolve(settings.encoder), settings.pooling, settings.padding, torch.float32, torch.device("cpu")
    )
    constants = Constants(encoder)
    content, style = (
        tensor_of(images.fit(images.read(samples.path(name)), 64), encoder.device) for name in ("cat", "waves")
    )
    targets = Targets(
        constants.content(content, "content", list(settings.content_layers)),
        (StyleTarget(constants.style(style, "style", list(settings.style_layers), ["gram"])),),
        settings,
    )
    objective = Objective(encoder, [targets], (content.shape[3], content.shape[2]))
    return content, lambda pictures: objective.evaluate(pictures)[:2]


@pytest.fixture(scope="module")
def peers_best(real):
    """Least loss of 60 evaluations from the photograph by torch.optim.LBFGS as scripts use it: lr 1, history 100."""
    start, evaluate = real
    peer, seen = start.clone().requires_grad_(), []
    optimizer = torch.optim.LBFGS(
        [peer], lr=1, max_iter=60, max_eval=60, history_size=100, tolerance_grad=0, tolerance_change=0
    )

    def closure():
        losses, peer.grad = evaluate(peer.detach())
        seen.append(float(losses[0]))
        return losses.sum()

    optimizer.step(closure)
    assert len(seen) == 60
    return min(seen)


@pytest.mark.parametrize(("exponent", "history"), [(0.25, 20), (0.0, 100)])
def test_is_as_fast_as_torchs_lbfgs_on_the_real_objective(real, peers_best, exponent, history):
    start, evaluate = real
    last = run(lbfgs, start, evaluate, 60, history_size=history, spectral_exponent=exponent)[-1]
    assert float(last.losses[0]) < 1.03 * peers_best


def test_bounded_finds_the_nearest_picture_of_its_range():
    """A quadratic whose minimum lies partly outside 0..1, against projected gradient descent in numpy."""
    generator = torch.Generator().manual_seed(3)
    mixing = torch.randn(48, 48, generator=generator, dtype=torch.float64) / 7
    hessian = mixing @ mixing.T + 0.1 * torch.eye(48, dtype=torch.float64)
    wanted = torch.rand(48, generator=generator, dtype=torch.float64) * 2 - 0.5
    a, b, x = hessian.numpy(), (hessian @ wanted).numpy(), np.full(48, 0.5)
    for _ in range(20_000):
        x = (x - 0.1 * (a @ x - b)).clip(0, 1)

    def evaluate(pictures):
        flat = pictures.flatten(1).double()
        pull = flat @ hessian - (hessian @ wanted)
        losses = 0.5 * (flat * (flat @ hessian)).sum(1) - flat @ (hessian @ wanted)
        return losses.float(), pull.view_as(pictures).float()

    steps = run(lbfgs, torch.full((1, 3, 4, 4), 1.5), evaluate, 300, bounded=True)
    assert all(step.pictures.min() >= 0 and step.pictures.max() <= 1 for step in steps)
    assert ((x == 0) | (x == 1)).sum() > 10  # or this would have tested nothing
    np.testing.assert_allclose(steps[-1].pictures.flatten().numpy(), x, atol=2e-3)
