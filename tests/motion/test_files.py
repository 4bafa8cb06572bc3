"""Parts in code and from files, and weights of dimensions from files."""

import io
import json
import pickle
import re
import struct

import numpy as np
import pytest
import torch

from lossbook.motion import DITTO_PARTS, Part, Parts, load_dim_weights, load_parts

NOTE = {
    "scale": [0, 1, 1],
    "pitch": [1, 67, 1],
    "yaw": [67, 133, 1],
    "roll": [133, 199, 1],
    "t": [199, 202, 1],
    "exp": [202, 265, 1],
}


def write(folder, content):
    path = folder / "parts.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


# Parts ------------------------------------------------------------------------------------------


def test_the_default_is_the_layout_of_the_note():
    assert {name: list(part) for name, part in DITTO_PARTS.items()} == NOTE
    assert DITTO_PARTS.dimensions == 265
    assert Parts(NOTE) == DITTO_PARTS
    assert repr(DITTO_PARTS).startswith("Parts({'scale': [0, 1, 1.0], 'pitch': [1, 67, 1.0]")
    with pytest.raises(TypeError):
        DITTO_PARTS["exp"] = Part(202, 265, 2.0)


def test_a_file_of_the_whole_layout(tmp_path):
    assert load_parts(write(tmp_path, NOTE)) == DITTO_PARTS
    assert load_parts(str(write(tmp_path, NOTE))) == DITTO_PARTS
    assert load_parts(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(NOTE).encode())) == DITTO_PARTS


def test_parts_that_a_file_leaves_out_keep_their_default(tmp_path):
    parts = load_parts(write(tmp_path, {"exp": [202, 265, 0.5], "scale": [0, 1, 2]}))
    assert list(parts) == list(DITTO_PARTS)
    assert parts["exp"] == Part(202, 265, 0.5)
    assert parts["scale"] == Part(0, 1, 2.0)
    assert parts["pitch"] == DITTO_PARTS["pitch"]
    assert load_parts(write(tmp_path, "{}")) == DITTO_PARTS


def test_a_file_with_other_names_is_a_layout_of_its_own(tmp_path):
    parts = load_parts(write(tmp_path, {"jaw": [3, 5, 1], "head": [0, 3, 0.5]}))
    assert parts.dimensions == 5
    assert list(parts) == ["jaw", "head"]
    own = load_parts(write(tmp_path, {"jaw": [3, 5, 2]}), defaults=parts)
    assert own == Parts({"jaw": Part(3, 5, 2.0), "head": Part(0, 3, 0.5)})


def test_overlapping_parts_are_loaded_where_asked_for(tmp_path):
    path = write(tmp_path, {"pitch": [1, 68, 1]})
    with pytest.raises(ValueError, match="'pitch' and 'yaw' overlap"):
        load_parts(path)
    assert load_parts(path, overlap=True)["pitch"].stop == 68


MALFORMED = {
    "overlap": ({"pitch": [1, 68, 1]}, "'pitch' and 'yaw' overlap: 'pitch' stops at 68"),
    "one inside another": ({"t": [150, 202, 1]}, "'roll' and 't' overlap"),
    "gap": ({"pitch": [1, 66, 1]}, "dimension 66 belongs to no part: 'pitch' stops at 66, 'yaw'"),
    "gap at the start": ({"scale": [0, 1, 1], "pitch": [2, 67, 1]}, "dimension 1 belongs to no"),
    "gap at the end": ({"exp": [202, 264, 1]}, "dimension 264 belongs to no part: 'exp', the last"),
    "missing first": ({"a": [1, 5, 1]}, "dimension 0 belongs to no part: 'a', the first, starts"),
    "misspelt alone": ({"expp": [202, 265, 2]}, "names 'expp', which is no part; did you mean"),
    "misspelt among known": (
        {"scale": [0, 1, 1], "picth": [2, 67, 2]},
        "names 'picth', which is no part; did you mean 'pitch'",
    ),
    "reversed": ({"exp": [265, 202, 1]}, "'exp' is reversed: it starts at 265 and stops at 202"),
    "empty": ({"t": [199, 199, 1]}, "'t' is empty"),
    "out of range": ({"exp": [202, 300, 1]}, "'exp' is out of range: it stops at 300, and there"),
    "negative start": ({"scale": [-1, 1, 1]}, "'scale' is out of range: it goes from -1"),
    "to the end by -1": ({"exp": [202, -1, 1]}, "'exp' is out of range: it goes from 202 to -1"),
    "a word for a weight": ({"exp": [202, 265, "1"]}, "weight of the part 'exp' must be a number"),
    "true for a weight": ({"exp": [202, 265, True]}, "weight of the part 'exp' must be a number"),
    "null for a weight": ({"exp": [202, 265, None]}, "weight of the part 'exp' must be a number"),
    "a fraction": ({"exp": [202.5, 265, 1]}, "start of the part 'exp' must be an integer"),
    "a float": ({"exp": [202, 265.0, 1]}, "stop of the part 'exp' must be an integer, got 265.0"),
    "a word for a stop": ({"exp": [202, "end", 1]}, "stop of the part 'exp' must be an integer"),
    "NaN": ('{"exp": [202, 265, NaN]}', "weight of the part 'exp' must be finite.*got nan"),
    "infinite": ('{"exp": [202, 265, 1e999]}', "weight of the part 'exp' must be finite"),
    "too many digits": (
        '{"exp": [202, 265, 1' + "0" * 400 + "]}",
        "must be finite.*beyond float64",
    ),
    "nested": ("[" * 100_000, "must hold .*nested deeper"),
    "thousands of digits": (
        '{"exp": [202, 265, ' + "9" * 5000 + "]}",
        "holds a number that is too long",
    ),
    "negative": ({"exp": [202, 265, -0.5]}, "weight of the part 'exp' .* at least 0, got -0.5"),
    "two numbers": ({"exp": [202, 265]}, r"'exp' must be \[start, stop, weight\], got \[202"),
    "a number": ({"exp": 0.5}, r"'exp' must be \[start, stop, weight\], got 0.5"),
    "three letters": ({"exp": "abc"}, r"'exp' must be \[start, stop, weight\]"),
    "twice": ('{"exp": [202, 265, 1], "exp": [202, 265, 2]}', "the part 'exp' is named twice"),
    "a list": ([1, 2, 3], "must hold an object from names to .*got list"),
    "no name": ({"": [0, 265, 1]}, "name of a part must be a word"),
    "not JSON": ("{'exp': [202, 265, 1]}", "is not JSON: .*line 1"),
    "nothing": ("", "is not JSON"),
    "bytes": (b"\xff\xfe\x00", "is not JSON: it is no UTF-8 text"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_names_the_part_and_the_reason(name, tmp_path):
    content, message = MALFORMED[name]
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as raised:
        load_parts(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("load", [load_parts, load_dim_weights])
def test_a_missing_file_and_a_folder_say_so(load, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file .*nothing"):
        load(tmp_path / "nothing")
    with pytest.raises(ValueError, match="is a folder"):
        load(tmp_path)


@pytest.mark.own_errors
def test_parts_in_code_are_checked_like_those_of_a_file():
    for parts, error, message in (
        ({"a": (0, 2, 1.0), "b": (3, 4, 1.0)}, ValueError, "dimension 2 belongs to no part"),
        ({"a": Part(0, 2), "b": Part(1, 4)}, ValueError, "overlap=True"),
        ({"a": (0, 2.0, 1.0)}, TypeError, "stop of the part 'a' must be an integer"),
        ({"a": (0, 2, "1")}, TypeError, "weight of the part 'a' must be a number"),
        ({3: (0, 2, 1.0)}, TypeError, "name of a part must be a word, got 3"),
        ({}, ValueError, "at least one part"),
        ("parts.json", TypeError, r"got str; of a file pass load_parts\(path\)"),
    ):
        with pytest.raises(error, match=message):
            Parts(parts)
    with pytest.raises(ValueError, match="dimensions 2 to 4 belong to no part: 'a', the last"):
        Parts({"a": Part(0, 2)}, dimensions=5)


# Weights of dimensions --------------------------------------------------------------------------


def saved(folder, array, **options):
    path = folder / "weights.npy"
    np.save(path, array, **options)
    return path


WEIGHTS = np.linspace(0, 2, 265)


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"])
def test_weights_of_any_float_dtype_become_float32(dtype, tmp_path):
    found = load_dim_weights(saved(tmp_path, WEIGHTS.astype(dtype)))
    assert found.dtype == torch.float32
    assert torch.equal(found, torch.from_numpy(WEIGHTS.astype(dtype).astype(np.float32)))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(version, tmp_path):
    path = tmp_path / "weights.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, WEIGHTS, version=version)
    assert load_dim_weights(path)[-1] == 2


def test_another_layout_has_as_many_weights_as_dimensions(tmp_path):
    parts = Parts({"a": Part(0, 2), "b": Part(2, 3)})
    assert len(load_dim_weights(saved(tmp_path, np.ones(3)), parts=parts)) == 3
    with pytest.raises(ValueError, match="weight of dimension 2, in the part 'b'.*got -1"):
        load_dim_weights(saved(tmp_path, np.array([1.0, 1.0, -1.0])), parts=parts)


def changed(index, value):
    weights = WEIGHTS.copy()
    weights[index] = value
    return weights


def header(text):
    data = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(data)) + data


def bytes_of(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


RUN = b"cos\nsystem\n(S'touch harm'\ntR."
BAD_ARRAYS = {
    "NaN": (changed(210, np.nan), "weight of dimension 210, in the part 'exp', must be finite"),
    "infinite": (changed(0, np.inf), "weight of dimension 0, in the part 'scale', must be finite"),
    "negative": (changed(70, -0.1), "dimension 70, in the part 'yaw', .*at least 0, got -0.1"),
    "beyond float32": (changed(1, 1e300), "weight of dimension 1, in the part 'pitch'"),
    "too few": (np.ones(264), r"shape \(265,\), got \(264,\)$"),
    "two dimensions": (np.ones((1, 265)), r"shape \(265,\), got \(1, 265\); .*reshape\(265\)"),
    "a number": (np.float64(1), r"shape \(265,\), got \(\)"),
    "integers": (np.ones(265, int), r"must hold float16, .*got '<i8'; save weights.astype"),
    "booleans": (np.ones(265, bool), r"must hold float16, .*got '\|b1'"),
    "complex": (np.ones(265, complex), r"got '<c16'"),
    "named columns": (np.zeros(265, [("w", "f4")]), "must hold float16"),
    "objects": (np.array([1.0] * 265, object), "holds Python objects, which are not loaded"),
    "a pickle": (pickle.dumps([1.0] * 265), "is not an .npy file"),
    "text": (b"1.0\n" * 265, "is not an .npy file; write it with numpy.save"),
    "nothing": (b"", "is not an .npy file"),
    "an archive": (b"PK\x03\x04rest", "is an .npz archive"),
    "only the magic": (b"\x93NUMPY\x01", "is cut off"),
    "half a header": (bytes_of(WEIGHTS)[:60], "header cannot be read, or is cut off"),
    "half the numbers": (bytes_of(WEIGHTS)[:-8], r"is damaged: it holds 2112 bytes"),
    "more than that": (bytes_of(WEIGHTS) + b"1234", "is damaged"),
    "a header that runs": (header("__import__('os').system('touch harm')"), "header cannot be"),
    "a header without a shape": (header("{'descr': '<f4'}"), "header cannot be read"),
    "a header of a number": (header("3"), "header cannot be read"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_a_malformed_array_names_the_file_the_dimension_and_the_reason(name, tmp_path):
    content, message = BAD_ARRAYS[name]
    path = tmp_path / "weights.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    with pytest.raises(ValueError, match=message) as raised:
        load_dim_weights(path)
    assert re.search(re.escape(str(path)), str(raised.value))


def test_a_pickle_in_an_array_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.npy"
    text = "{'descr': '|O', 'fortran_order': False, 'shape': (265,), }"
    path.write_bytes(header(text) + RUN)
    with pytest.raises(ValueError, match="Python objects"):
        load_dim_weights(path)
    assert not (tmp_path / "harm").exists()
