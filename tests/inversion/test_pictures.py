"""What the chapter shows of the attack: accepted noise, rebuilt faces, results by person."""

import base64

import numpy as np
import pytest
import torch

from lossbook.lab.inversion import pictures
from lossbook.lab.inversion.experiment import BASELINES, load_record
from lossbook.lab.inversion.faces import split
from lossbook.lab.inversion.noise import accepted_noise
from lossbook.lab.inversion.people import by_person
from lossbook.lab.inversion.sface import load_sface
from lossbook.lab.inversion.systems import features, threshold
from lossbook.lab.run.pictures import pack


@pytest.fixture(scope="module")
def record():
    return load_record()


def test_noise_is_accepted_after_some_steps(faces):
    network = load_sface()
    picture, cosines = accepted_noise(network, faces.attacked[0], steps=12)
    assert len(cosines) == 13
    assert cosines[0] < 0.2
    assert cosines[-1] > 0.8 > threshold("attacked", faces, 1e-3)
    assert picture.min() >= 0 and picture.max() <= 1
    assert not picture.requires_grad
    # It is noise still: neighbours have little to do with each other.
    left, right = picture[..., :-1].flatten(), picture[..., 1:].flatten()
    assert torch.corrcoef(torch.stack([left, right]))[0, 1].abs() < 0.2
    alike = torch.cosine_similarity(features(network, picture), faces.attacked[:1])
    assert alike.item() == pytest.approx(cosines[-1], abs=1e-5)


def test_every_face_of_a_record_is_unpacked(record):
    for shown in (record.baseline[0].shown["truth"], record.results[0].shown):
        found = pictures.unpack(shown)
        assert found.shape == (6, 56, 56)
        assert found.std() > 20


def test_packed_pictures_are_unpacked():
    many = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4)
    assert (pictures.unpack(pack(np.concatenate(list(many), axis=1)), 4) == many).all()


def test_a_picture_that_is_no_row_is_refused():
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (60, 56)).save(file, "PNG")
    with pytest.raises(ValueError, match="56 x 56 in a row"):
        pictures.unpack(base64.b64encode(file.getvalue()).decode())


def test_results_are_means_over_each_persons_photographs(faces, record):
    found = by_person(record, faces, "seen rmse", ["pixel", *BASELINES])
    people = {p for f in record.config.folds for p in faces.subject[split(faces, f).seen].tolist()}
    assert {len(values) for values in found.values()} == {len(people)}
    first = min(people)
    wanted = []
    for fold in record.config.folds:
        (result,) = (r for r in record.results if (r.arm, r.fold) == ("pixel", fold))
        tested = faces.subject[split(faces, fold).seen].tolist()
        errors = zip(tested, result.units["seen rmse"], strict=True)
        wanted += [error for person, error in errors if person == first]
    assert found["pixel"][0] == pytest.approx(sum(wanted) / len(wanted))
    assert found["truth"] == [0] * len(people)
    with pytest.raises(ValueError, match="begin with one of seen, unseen"):
        by_person(record, faces, "rmse")
