import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import get_data_path
from torch.nn import functional

from lossbook.lab.translation import letters as module
from lossbook.lab.translation import make_data
from lossbook.lab.translation.letters import files, load_letters, split
from lossbook.lab.translation.make_data import draw_letters, main, read_styles


@pytest.fixture(scope="module")
def letters():
    return load_letters()


def test_the_letters_are_complete_and_stand_in_line(letters):
    assert letters.images.shape == (200, 26, 1, 32, 32)
    assert 0 == letters.images.min() < letters.images.max() == 1
    assert letters.domain.bincount().tolist() == [100, 100]
    assert letters.weight.min() == 200
    assert letters.weight.max() == 900
    assert len(set(letters.names)) == 200
    # H fills 20 rows, to an eighth of a pixel, in the middle.
    upright = letters.images[:, module.ALPHABET.index("H"), 0]
    rows = upright.amax(2)
    assert rows[:, 4:24].min() > 0.5
    assert rows[:, 3].max() < 0.3
    assert rows[:, :3].max() == rows[:, 24:].max() == 0
    columns = upright.amax(1)
    first = (columns > 0).double().argmax(1)
    last = 31 - (columns.flip(1) > 0).double().argmax(1)
    assert (first + last - 31).abs().max() <= 1
    # Nothing is empty, and nothing stands against the top.
    assert letters.images.sum((-3, -2, -1)).min() > 13
    assert letters.images[..., :2, :].max() == 0


def test_no_two_styles_are_alike(letters):
    flat = letters.images.flatten(1)
    # The mean absolute difference is at least the mean square, which is quick to compute.
    distance = torch.cdist(flat, flat) ** 2 / flat.shape[1]
    assert distance.fill_diagonal_(1).min() > 0.01


def test_a_family_is_of_one_domain(letters):
    assert letters.family.unique().tolist() == list(range(int(letters.family.max()) + 1))
    pairs = torch.stack([letters.family, letters.domain]).unique(dim=1)
    assert pairs.shape[1] == letters.family.max() + 1
    assert pairs[1].bincount().min() >= 60


def test_no_family_is_seen_and_unseen(letters):
    held = []
    for fold in range(module.FOLDS):
        part = split(letters, fold)
        assert sorted(torch.cat(part).tolist()) == list(range(200))
        seen, unseen = (set(letters.family[each].tolist()) for each in part)
        assert not seen & unseen
        for domain in range(2):
            families = letters.family[letters.domain == domain].unique()
            out = len(unseen & set(families.tolist()))
            assert out in (len(families) // 5, len(families) // 5 + 1)
        assert split(letters, fold).unseen.equal(part.unseen)
        held += unseen
    assert sorted(held) == letters.family.unique().tolist()


@pytest.mark.parametrize("fold", [-1, 5])
def test_other_folds_are_refused(letters, fold):
    with pytest.raises(ValueError, match="fold must be from 0 to 4"):
        split(letters, fold)


@pytest.mark.parametrize("fold", range(module.FOLDS))
def test_letter_and_domain_are_read_off_unseen_families(letters, fold):
    """The most similar picture of another family shows the same letter; alone it is a weak reader.

    It also tells the domain, once all letters of a style vote.
    """
    part = split(letters, fold)
    small = functional.avg_pool2d(letters.images.flatten(0, 1), 2).view(200, 26, -1)
    nearest = torch.cdist(small[part.unseen].flatten(0, 1), small[part.training].flatten(0, 1))
    found = nearest.argmin(1).view(-1, 26)
    assert (found % 26 == torch.arange(26)).double().mean() > 0.9
    domain = letters.domain[part.training][found // 26].double().mean(1).round()
    assert (domain == letters.domain[part.unseen]).double().mean() > 0.9


def test_a_file_of_other_arrays_is_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, images=np.zeros((2, 26, 32, 32), np.uint8))
    with pytest.raises(ValueError, match=r"other\.npz: expected the arrays"):
        load_letters(path)


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    path = tmp_path / "cut.npz"
    path.write_bytes(files()[0].read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut\.npz: not a file of arrays"):
        load_letters(path)


# How they were made


def test_the_list_is_that_of_the_file(letters):
    styles = read_styles()
    assert [f"{style.font} {style.weight}" for style in styles] == letters.names
    assert [module.DOMAINS.index(style.domain) for style in styles] == letters.domain.tolist()
    numbers = {name: i for i, name in enumerate(sorted({style.family for style in styles}))}
    assert [numbers[style.family] for style in styles] == letters.family.tolist()
    assert {style.licence for style in styles} == {"OFL-1.1"}
    assert all(style.copyright for style in styles)
    assert "SIL OPEN FONT LICENSE" in (module.FILE.parent / "LICENSE-OFL").read_text("utf-8")


def test_the_command_says_what_to_fetch(capsys):
    main(["--packages"])
    packages = capsys.readouterr().out.split()
    assert len(packages) == len(set(packages)) == 149
    assert packages[0] == "@fontsource/abel@5.3.0"


def test_the_command_wants_a_folder(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "the folder of the packages is missing" in capsys.readouterr().err


@pytest.mark.parametrize("same_size", [False, True])
def test_another_font_is_refused(tmp_path, same_size):
    style = read_styles()[0]
    content = bytes(style.size if same_size else 9)
    entry = tarfile.TarInfo(f"package/{style.file}")
    entry.size = len(content)
    with tarfile.open(tmp_path / f"fontsource-{style.font}-{style.version}.tgz", "w:gz") as package:
        package.addfile(entry, io.BytesIO(content))
    wanted = style.sha256 if same_size else f"{style.size} bytes"
    with pytest.raises(ValueError, match=rf"{style.font}.*\.woff: expected .*{wanted}"):
        main([str(tmp_path), "--out", str(tmp_path / "made.npz")])
    assert not (tmp_path / "made.npz").exists()


def test_a_letter_that_does_not_fit_is_refused(monkeypatch):
    """Drawn with a font that matplotlib brings."""
    font = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    drawn = draw_letters(font)
    assert drawn.shape == (26, 32, 32)
    assert drawn.dtype == np.uint8
    assert (drawn[7].max(1) > 0).nonzero()[0].tolist() == list(range(4, 24))
    monkeypatch.setattr(make_data, "_HEIGHT", 24)
    with pytest.raises(ValueError, match=r"DejaVuSans\.ttf: [A-Z] does not fit into 32 x 32"):
        draw_letters(font)
