import statistics

import pytest

from lossbook.lab.hands import languages
from lossbook.lab.hands.clips import split_by_language
from lossbook.lab.hands.data import load_hands, split_by_clip
from lossbook.lab.hands.experiment import load_record
from lossbook.lab.hands.people import by_language


@pytest.fixture(scope="module")
def hands():
    return load_hands()


@pytest.fixture(scope="module")
def record():
    return load_record()


def test_a_language_has_the_mean_of_its_clips(hands, record):
    found = by_language(record, hands, ["balanced"])["balanced"]
    names = sorted(set(hands.language))
    assert len(found) == len(names) == 18
    spoken = dict(zip(hands.clip.tolist(), hands.language, strict=True))
    errors = []
    for result in record.results:
        if result.arm == "balanced":
            clips = hands.clip[split_by_clip(hands, result.fold)[1]].unique().tolist()
            pairs = zip(clips, result.units["error_2d"], strict=True)
            errors += [error for clip, error in pairs if spoken[clip] == names[3]]
    assert found[3] == pytest.approx(statistics.fmean(errors))
    assert min(found) > 0.01 and max(found) < 0.2


def test_languages_that_were_held_out_whole_are_found_too(hands):
    found = by_language(languages.load_record(), hands, split=split_by_language)
    assert {arm: len(each) for arm, each in found.items()} == dict.fromkeys(
        ("balanced", "code, mm", "code, m"), 18
    )


def test_a_record_that_does_not_test_every_clip_is_refused(hands, record):
    results = tuple(result for result in record.results if result.fold < 4)
    part = record.replace(
        config=record.config.replace(folds=(0, 1, 2, 3)),
        results=results,
        baseline=record.baseline[:4],
    )
    with pytest.raises(ValueError, match=r"the record tests \d+ of 553 clips"):
        by_language(part, hands)
