import pytest

from lossbook.lab.landmarks import make_data
from lossbook.lab.run.landmarker import MODEL_SIZE


def test_another_model_is_refused_before_anything_is_run(tmp_path):
    path, out = tmp_path / "face_landmarker.task", tmp_path / "made.npz"
    path.write_bytes(b"another")
    with pytest.raises(ValueError, match=r"landmarker\.task: expected 3758596 bytes, found 7"):
        make_data.main([str(path), "--out", str(out)])
    path.write_bytes(bytes(MODEL_SIZE))
    with pytest.raises(ValueError, match="expected the SHA-256 64184e22.*, found "):
        make_data.main([str(path), "--out", str(out)])
    assert not out.exists()


def test_a_missing_model_is_the_usual_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        make_data.main([str(tmp_path / "none.task")])


def test_a_notice_lies_beside_the_data_and_says_where_they_are_from():
    notice = (make_data.FILE.parent / "LICENSE-orl_wflw98").read_text("utf-8")
    for words in (
        "AT&T Laboratories Cambridge",
        "MediaPipe",
        "Apache License 2.0",
        "40 real people",
    ):
        assert words in notice
    assert make_data.FILE.name in notice
