import math

import pytest
import torch

from lossbook.landmarks import ced_auc, failure_rate, nme


def face(points=98, width=40.0, height=10.0):
    """A face whose outer eye corners are 40 apart and whose pupils are 20 apart."""
    truth = torch.zeros(1, points, 2)
    truth[0, 60 if points == 98 else 36] = torch.tensor([0.0, 0.0])
    truth[0, 72 if points == 98 else 45] = torch.tensor([width, 0.0])
    if points == 98:
        truth[0, 96] = torch.tensor([10.0, height])
        truth[0, 97] = torch.tensor([30.0, height])
    return truth


@pytest.mark.parametrize(
    ("normalizer", "size"),
    [("inter_ocular", 40.0), ("inter_pupil", 20.0), ("box", math.sqrt(40 * 10))],
)
def test_nme_divides_by_the_size_of_the_face(normalizer, size):
    truth = face()
    shifted = truth + torch.tensor([3.0, 4.0])
    assert nme(shifted, truth, normalizer=normalizer).item() == pytest.approx(5 / size)
    flat = nme(shifted.flatten(1), truth.flatten(1), normalizer=normalizer)
    assert flat.item() == pytest.approx(5 / size)


def test_nme_averages_distances_over_points_and_keeps_faces_apart():
    truth = face().repeat(2, 1, 1)
    prediction = truth.clone()
    prediction[1, 0] += torch.tensor([3.0, 4.0])
    assert nme(prediction, truth).tolist() == pytest.approx([0.0, 5 / 98 / 40])


def test_nme_for_68_points_and_for_other_schemes():
    truth = face(68)
    assert nme(truth + torch.tensor([0.0, 4.0]), truth).item() == pytest.approx(0.1)
    truth = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [10.0, 0.0]]])
    got = nme(truth + torch.tensor([0.0, 0.9]), truth, eyes=([0, 1], [2]))
    assert got.item() == pytest.approx(0.1)
    with pytest.raises(ValueError, match="98 and 68 points, got 3"):
        nme(truth, truth)


def test_the_pupils_of_68_points_are_the_centres_of_the_eyes():
    truth = torch.zeros(1, 68, 2)
    truth[0, 36:42, 0] = torch.arange(6.0)
    truth[0, 42:48, 0] = 30 + 2 * torch.arange(6.0)
    size = (30 + 2 * 2.5) - 2.5
    got = nme(truth + torch.tensor([0.0, 1.0]), truth, normalizer="inter_pupil")
    assert got.item() == pytest.approx(1 / size)


@pytest.mark.parametrize("normalizer", ["inter_ocular", "inter_pupil", "box"])
def test_nme_survives_half_precision_empty_batches_and_nan(normalizer):
    truth = face() * 8
    truth[0, 97, 1] += 200
    shifted = truth + torch.tensor([300.0, 0.0])
    exact = nme(shifted.double(), truth.double(), normalizer=normalizer)
    half = nme(shifted.half(), truth.half(), normalizer=normalizer)
    assert half.dtype == torch.float16
    assert half.item() == pytest.approx(exact.item(), rel=1e-3)
    assert nme(truth[:0], truth[:0], normalizer=normalizer).shape == (0,)
    assert nme(truth[:0].flatten(1), truth[:0].flatten(1), normalizer=normalizer).shape == (0,)
    assert nme(truth * torch.nan, truth, normalizer=normalizer).isnan()
    assert nme(truth, truth * torch.nan, normalizer=normalizer).isnan()


@pytest.mark.own_errors
@pytest.mark.parametrize(
    ("eyes", "message"),
    [
        ((60, 72), "two lists"),
        (([60], [72], [96]), "two lists"),
        (([], [72]), "two lists"),
        (([60], [98]), "index 98, but there are 98 points"),
        (([-1], [72]), "index -1"),
    ],
)
def test_nme_refuses_eyes_that_are_not_there(eyes, message):
    with pytest.raises(ValueError, match=message):
        nme(face(), face(), eyes=eyes)


def test_nme_does_not_depend_on_the_unit():
    truth = face() + torch.randn(1, 98, 2)
    prediction = truth + torch.randn(1, 98, 2)
    torch.testing.assert_close(nme(prediction * 7, truth * 7), nme(prediction, truth))


def test_a_face_without_size_has_infinite_error():
    assert nme(torch.ones(1, 98, 2), torch.zeros(1, 98, 2)).item() == math.inf
    assert nme(torch.zeros(1, 98, 2), torch.zeros(1, 98, 2)).item() == math.inf


@pytest.mark.own_errors
def test_nme_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="normalizer must be"):
        nme(face(), face(), normalizer="pupil")
    with pytest.raises(ValueError, match="same shape"):
        nme(face(), face().repeat(2, 1, 1))
    with pytest.raises(TypeError, match="floating-point"):
        nme(face().long(), face())
    with pytest.raises(TypeError, match="float64"):
        nme(face().double(), face())
    with pytest.raises(ValueError, match="normalizer must be"):
        nme(face(), face(), normalizer="pupil", eyes=([60], [72]))


def test_failure_rate_counts_what_is_above_the_threshold_and_nan():
    errors = torch.tensor([0.05, 0.10, 0.11, torch.nan, torch.inf])
    assert failure_rate(errors).item() == pytest.approx(3 / 5)
    assert failure_rate(errors, threshold=0.2).item() == pytest.approx(2 / 5)


def test_auc_is_the_area_under_the_cumulative_error_distribution():
    errors = 0.2 * torch.rand(500, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    thresholds = torch.linspace(0, 0.1, 20001, dtype=torch.float64)
    shares = (errors[None] <= thresholds[:, None]).double().mean(1)
    area = torch.trapezoid(shares, thresholds).item() / 0.1
    assert ced_auc(errors).item() == pytest.approx(area, abs=1e-4)


def test_auc_extremes():
    assert ced_auc(torch.zeros(3)) == 1
    assert ced_auc(torch.full((3,), 0.2)) == 0
    assert ced_auc(torch.tensor([0.0, torch.nan])) == 0.5
    assert ced_auc(torch.tensor([-0.1])) == 1


@pytest.mark.own_errors
@pytest.mark.parametrize("metric", [failure_rate, ced_auc])
def test_metrics_refuse_nothing_and_nonsense(metric):
    with pytest.raises(ValueError, match="at least one face"):
        metric(torch.zeros(0))
    with pytest.raises(ValueError, match="threshold"):
        metric(torch.zeros(2), threshold=0.0)
    with pytest.raises(TypeError, match="floating-point"):
        metric(torch.zeros(2, dtype=torch.long))
