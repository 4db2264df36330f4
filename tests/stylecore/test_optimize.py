"""The optimisers: rows that do not know of each other, states to go on from, steps against torch's own and by hand."""

from __future__ import annotations

import itertools

import pytest
import torch
from landscapes import SHAPE, quadratic, random, rosenbrock, run

from stylecore.lbfgs import lbfgs
from stylecore.optimize import adam, sgd


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


OPTIMIZERS = [
    (lbfgs, {}),
    (lbfgs, {"spectral_exponent": 0.25}),
    (lbfgs, {"history_size": 3}),
    (adam, {}),
    (adam, {"average": 0.9, "decay": 0.5}),
    (sgd, {"normalized": True}),
]


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


RESUMED = [
    *OPTIMIZERS,
    (lbfgs, {"line_search": False}),
    (lbfgs, {"line_search": False, "spectral_exponent": 0.25, "history_size": 4}),
    (sgd, {"learning_rate": 1e-6, "decay": 0.3}),
]


@pytest.mark.parametrize(("optimizer", "options"), RESUMED)
def test_goes_on_from_any_state_as_if_it_had_never_stopped(optimizer, options):
    """Bit by bit, also from where some rows have gone back and some not, and where the history is full."""
    steepness = torch.tensor([0.1, 100.0, 5000.0])[:, None]
    start, evaluate = random(3, *SHAPE, seed=2), rosenbrock(steepness)
    whole, states = [], []
    for step in itertools.islice(optimizer(start, evaluate, **options), 24):
        whole.append(step)
        states.append({name: tensor.clone() for name, tensor in step.state().items()})
    for number, state in enumerate(states[:-1], 1):
        assert {len(tensor) for tensor in state.values()} == {3}  # so that rows can be told apart
        rest = run(optimizer, start * 0, evaluate, min(6, 24 - number), state=state, **options)
        for step, expected in zip(rest, whole[number:], strict=False):
            assert torch.equal(step.pictures, expected.pictures), number
            assert torch.equal(step.losses, expected.losses), number
            assert torch.equal(step.fresh, expected.fresh), number
    if optimizer is lbfgs and options.get("line_search", True):
        assert not torch.stack([step.fresh for step in whole]).all()  # rows have gone back


def test_rows_can_go_on_without_the_others():
    """A state cut to one row gives what the row gives in its batch, up to the order of sums."""
    steepness = torch.tensor([0.1, 100.0, 5000.0])[:, None]
    start = random(3, *SHAPE, seed=2)
    steps = itertools.islice(lbfgs(start, rosenbrock(steepness)), 14)
    for number, step in enumerate(steps):
        if number == 7:
            state = {name: tensor[1:2].clone() for name, tensor in step.state().items()}
        last = step
    alone = run(lbfgs, start[1:2], rosenbrock(steepness[1:2]), 6, state=state)[-1]
    torch.testing.assert_close(alone.pictures[0], last.pictures[1], rtol=1e-3, atol=1e-4)


class TestAdam:
    @pytest.mark.parametrize("betas", [(0.9, 0.99), (0.5, 0.9)])
    @pytest.mark.parametrize("decay", [1.0, 0.5])
    def test_is_torchs_with_a_clamp(self, betas, decay):
        stiffness, target = 1 + 30 * random(2, *SHAPE), 1.4 * random(2, *SHAPE, seed=1)
        start, evaluate = random(2, *SHAPE, seed=2), quadratic(stiffness, target)
        peer = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([peer], lr=0.05, betas=betas, eps=1e-3)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, decay**0.01)
        options = {"learning_rate": 0.05, "betas": betas, "epsilon": 1e-3, "decay": decay}
        for step in run(adam, start, evaluate, 40, **options):
            torch.testing.assert_close(step.pictures, peer.detach(), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(step.losses, evaluate(peer.detach())[0], rtol=1e-4, atol=1e-4)
            assert step.fresh.all()
            peer.grad = evaluate(peer.detach())[1]
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                peer.clamp_(0, 1)
        assert float(peer.detach().max()) == 1.0  # the clamp was at work

    def test_average_is_that_of_the_iterates(self):
        """Σ dⁿ⁻ⁱ xᵢ / Σ dⁿ⁻ⁱ over the iterates that Adam goes through without an average."""
        start, evaluate = random(2, *SHAPE), quadratic(1 + random(2, *SHAPE), random(2, *SHAPE, seed=1))
        iterates = torch.stack([step.pictures.double() for step in run(adam, start, evaluate, 12)])
        for number, step in enumerate(run(adam, start, evaluate, 12, average=0.8), 1):
            shares = 0.8 ** torch.arange(number - 1, -1, -1, dtype=torch.float64)
            expected = (iterates[:number] * shares.view(-1, 1, 1, 1, 1)).sum(0) / shares.sum()
            torch.testing.assert_close(step.pictures.double(), expected, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(step.losses.double(), evaluate(iterates[number - 1].float())[0].double())


class TestGradientDescent:
    def test_plain_by_hand(self):
        """x − r h (x − t) = t + (1 − r h)(x − t), at a rate that falls by a factor of 0.1 in 100 steps; unclamped."""
        stiffness, target, start = 1 + random(2, *SHAPE), 3 * random(2, *SHAPE, seed=1), random(2, *SHAPE, seed=2)
        expected = start.double()
        for number, step in enumerate(run(sgd, start, quadratic(stiffness, target), 9, learning_rate=0.3, decay=0.1)):
            torch.testing.assert_close(step.pictures.double(), expected, rtol=1e-5, atol=1e-5)
            rate = 0.3 * 0.1 ** (number / 100)
            expected = target + (1 - rate * stiffness.double()) * (expected - target)
        assert float(expected.max()) > 1.2

    def test_normalized_moves_by_the_deviation_and_clamps(self):
        """Each row's gradient has a standard deviation of 1, however steep its loss is."""
        stiffness, target = torch.tensor([1e-3, 1e5]).view(2, 1, 1, 1) * torch.ones(2, *SHAPE), random(2, *SHAPE)
        start = random(2, *SHAPE, seed=2)
        first, second = run(sgd, start, quadratic(stiffness, target), 2, learning_rate=0.5, normalized=True)
        gradients = (stiffness * (start - target)).double()
        for row in range(2):
            expected = (start[row] - 0.5 * gradients[row] / gradients[row].std(correction=0)).clamp(0, 1)
            torch.testing.assert_close(second.pictures[row].double(), expected.double(), rtol=1e-3, atol=1e-3)
        assert float(second.pictures.min()) == 0.0
        assert torch.equal(first.pictures, start)
