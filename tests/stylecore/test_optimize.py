"""The optimisers: rows that do not know of each other, and speed and steps against torch's own."""

from __future__ import annotations

import itertools

import pytest
import torch

from flows import samples
from stylecore import images, weights
from stylecore.encoder import warm_encoder
from stylecore.methods.batch import tensor_of
from stylecore.objective import Constants, Objective, Targets
from stylecore.optimize import FIRST_MOVE, LARGEST_MOVE, adam, lbfgs
from stylecore.settings import Settings

SHAPE = (3, 6, 8)


def run(optimizer, start, evaluate, steps, **options):
    return list(itertools.islice(optimizer(start, evaluate, **options), steps))


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def quadratic(stiffness, target):
    """½ Σ h (x − t)² of each row and its gradient."""

    def evaluate(pictures):
        distance = pictures - target
        return (stiffness * distance.square()).sum((1, 2, 3)) / 2, stiffness * distance

    return evaluate


def rosenbrock(steepness):
    """The chained Rosenbrock function of each row's pixels, its minimum at 1, and its gradient."""

    def evaluate(pictures):
        x = pictures.detach().requires_grad_()
        flat = x.flatten(1)
        valley = flat[:, 1:] - flat[:, :-1].square()
        losses = (steepness * valley.square() + (1 - flat[:, :-1]).square()).sum(1)
        (gradients,) = torch.autograd.grad(losses.sum(), x)
        return losses.detach(), gradients

    return evaluate


def each_alone(optimizer, start, evaluate_rows, steps, **options):
    """What each row gives when it is optimised by itself."""
    return [
        run(optimizer, start[row : row + 1], evaluate_rows(slice(row, row + 1)), steps, **options)
        for row in range(len(start))
    ]


def assert_batch_is_singles(optimizer, start, evaluate_rows, steps, tolerance=1e-3, **options):
    together = run(optimizer, start, evaluate_rows(slice(None)), steps, **options)
    alone = each_alone(optimizer, start, evaluate_rows, steps, **options)
    for row, single in enumerate(alone):
        for number, (batch, one) in enumerate(zip(together, single, strict=True)):
            assert bool(batch.fresh[row]) == bool(one.fresh[0]), (row, number)
            assert float(batch.losses[row]) == pytest.approx(float(one.losses[0]), rel=tolerance), (row, number)
            torch.testing.assert_close(batch.pictures[row], one.pictures[0], rtol=tolerance, atol=tolerance)
    return together


OPTIMIZERS = [(lbfgs, {}), (lbfgs, {"spectral_exponent": 0.25}), (adam, {})]


@pytest.mark.parametrize(("optimizer", "options"), OPTIMIZERS)
def test_a_batch_gives_what_its_rows_give_alone(optimizer, options):
    stiffness, target = 1 + 30 * random(3, *SHAPE), random(3, *SHAPE, seed=1)
    stiffness *= torch.tensor([1e-3, 1.0, 1e4]).view(3, 1, 1, 1)
    assert_batch_is_singles(
        optimizer, random(3, *SHAPE, seed=2), lambda rows: quadratic(stiffness[rows], target[rows]), 15, **options
    )


@pytest.mark.parametrize("exponent", [0.0, 0.25])
def test_rows_that_go_back_hold_up_no_other(exponent):
    """Steep valleys make some rows go back, at steps of their own, while the others go on."""
    steepness = torch.tensor([0.1, 100.0, 5000.0])[:, None]
    together = assert_batch_is_singles(
        lbfgs,
        random(3, *SHAPE, seed=2),
        lambda rows: rosenbrock(steepness[rows]),
        20,
        tolerance=5e-3,
        spectral_exponent=exponent,
    )
    fresh = torch.stack([step.fresh for step in together])
    assert any(row.any() and not row.all() for row in fresh)  # or this would have tested nothing


@pytest.mark.parametrize(("optimizer", "options"), OPTIMIZERS)
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, 1e38])
def test_a_row_without_a_finite_loss_harms_no_other(optimizer, options, bad):
    """Row 1 is hopeless from the start: no number, infinite, or so large that its square overflows."""
    target = random(3, *SHAPE, seed=1)
    target[1] = bad
    stiffness = 1 + 30 * random(3, *SHAPE)
    start = random(3, *SHAPE, seed=2)
    together = run(optimizer, start, quadratic(stiffness, target), 15, **options)
    good = [0, 2]
    alone = run(optimizer, start[good], quadratic(stiffness[good], target[good]), 15, **options)
    assert not any(torch.isfinite(step.losses[1]) for step in together)
    for step, wanted in zip(together, alone, strict=True):
        torch.testing.assert_close(step.losses[good], wanted.losses, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(step.pictures[good], wanted.pictures, rtol=1e-4, atol=1e-4)
    if optimizer is lbfgs:
        assert torch.equal(together[-1].pictures[1], start[1])


class TestLbfgs:
    @pytest.mark.parametrize("exponent", [0.0, 0.25])
    def test_beats_gradient_descent_on_an_ill_conditioned_quadratic(self, exponent):
        """Condition 1e4; gradient descent with the best constant step, 2 / (smallest + largest)."""
        stiffness = torch.logspace(0, 4, 3 * 6 * 8).view(1, *SHAPE)
        evaluate, start = quadratic(stiffness, torch.zeros(1, *SHAPE)), random(1, *SHAPE) - 0.5
        descended = start * (1 - 2 / (1 + 1e4) * stiffness) ** 200
        last = run(lbfgs, start, evaluate, 200, spectral_exponent=exponent)[-1]
        assert float(last.losses[0]) < 1e-3 * float(evaluate(descended)[0][0])

    def test_reaches_the_minimum_of_rosenbrock(self):
        start = torch.full((1, 1, 1, 2), -1.0)
        start[..., 1] = 1.2
        last = run(lbfgs, start, rosenbrock(100.0), 120)[-1]
        torch.testing.assert_close(last.pictures, torch.ones(1, 1, 1, 2), rtol=1e-3, atol=1e-3)

    def test_shows_the_best_so_far(self):
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

    def test_moves_no_pixel_far(self):
        """Neither at first, nor when the first two gradients tell nothing of the curvature."""
        tried = []

        def evaluate(pictures):
            tried.append(pictures)
            return quadratic(torch.full((1, *SHAPE), 1e-6), torch.full((1, *SHAPE), 100.0))(pictures)

        run(lbfgs, torch.zeros(1, *SHAPE), evaluate, 10)
        moves = [float((b - a).abs().max()) for a, b in itertools.pairwise(tried)]
        assert moves[0] == pytest.approx(FIRST_MOVE)
        assert max(moves) == pytest.approx(LARGEST_MOVE)

    def test_a_smooth_direction_is_preferred(self):
        """The first move under the spectral exponent has less of the high frequencies than the gradient has."""
        rough = random(1, 3, 32, 32) - 0.5
        evaluate = quadratic(torch.ones(1, 3, 32, 32), rough)
        shares = []
        for exponent in (0.0, 0.25):
            move = run(lbfgs, torch.zeros(1, 3, 32, 32), evaluate, 2, spectral_exponent=exponent)[1].pictures
            shares.append(float(move.diff(dim=3).square().mean() / move.square().mean()))
        assert shares[1] < 0.8 * shares[0]

    def test_goes_on_where_the_loss_is_blurred(self):
        """A loss that is rounded to 8 bits, as by bf16, hides small gains; the gradient still shows the way."""
        stiffness = torch.logspace(0, 3, 3 * 6 * 8).view(1, *SHAPE)
        exact = quadratic(stiffness, torch.zeros(1, *SHAPE))

        def blurred(pictures):
            losses, gradients = exact(pictures)
            noise = 1 + 5e-4 * torch.sin(1e5 * pictures.sum((1, 2, 3)))
            return (losses + 100) * noise, gradients.bfloat16().float()

        last = run(lbfgs, random(1, *SHAPE) - 0.5, blurred, 200)[-1]
        assert float(exact(last.pictures)[0][0]) < 1e-3


class TestAdam:
    def test_is_torchs_with_a_clamp(self):
        stiffness, target, start = (
            1 + 30 * random(2, *SHAPE),
            1.4 * random(2, *SHAPE, seed=1),
            random(2, *SHAPE, seed=2),
        )
        evaluate = quadratic(stiffness, target)
        peer = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([peer], lr=0.05, betas=(0.9, 0.99))
        for step in run(adam, start, evaluate, 40, learning_rate=0.05):
            torch.testing.assert_close(step.pictures, peer.detach(), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(step.losses, evaluate(peer.detach())[0], rtol=1e-4, atol=1e-4)
            assert step.fresh.all()
            peer.grad = evaluate(peer.detach())[1]
            optimizer.step()
            with torch.no_grad():
                peer.clamp_(0, 1)
        assert float(peer.detach().max()) == 1.0  # the clamp was at work


@pytest.fixture(scope="module")
def real():
    """The default objective on two samples at 64 px in float32, and its start."""
    settings = Settings()
    encoder = warm_encoder(
        weights.resolve(settings.encoder), settings.pooling, settings.padding, torch.float32, torch.device("cpu")
    )
    constants = Constants(encoder)
    content, style = (
        tensor_of(images.fit(images.read(samples.path(name)), 64), encoder.device) for name in ("cat", "waves")
    )
    targets = Targets(
        constants.content(content, "content", list(settings.content_layers)),
        {"gram": constants.style(style, "style", list(settings.style_layers), "gram")},
        settings,
    )
    objective = Objective(encoder, [targets])
    return content, lambda pictures: objective.evaluate(pictures)[:2]


@pytest.mark.parametrize(("exponent", "history"), [(0.25, 20), (0.0, 100)])
def test_is_as_fast_as_torchs_lbfgs_on_the_real_objective(real, exponent, history):
    """After 60 evaluations from the photograph; torch.optim.LBFGS as scripts use it: lr 1, history 100."""
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
    last = run(lbfgs, start, evaluate, 60, history_size=history, spectral_exponent=exponent)[-1]
    assert float(last.losses[0]) < 1.03 * min(seen)
