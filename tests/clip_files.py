"""Clips of people who spell, and wheels of them, of which all is made up."""

import hashlib
import io
from zipfile import ZipFile

import numpy as np
import pytest

from lossbook.lab.run import spelling


def pose_format():
    return pytest.importorskip("pose_format", reason="reads the clips: pip install pose-format")


def write_clip(data, component, fps=25.0, unfound=()):
    """The content of a clip: ``data`` (frames, people, points, 3) after two points of a body.

    Args:
        unfound: frames in which the component's last point was not found.
    """
    pose_format()
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

    frames, people, points, _ = data.shape
    components = [
        PoseHeaderComponent(name, [f"{i}" for i in range(count)], [], [(0, 0, 0)], "XYZC")
        for name, count in (("POSE_LANDMARKS", 2), (component, points))
    ]
    header = PoseHeader(0.2, PoseHeaderDimensions(500, 500, 0), components)
    data = np.concatenate([np.full((frames, people, 2, 3), 7.0), data], axis=2)
    confidence = np.ones((frames, people, 2 + points), np.float32)
    confidence[list(unfound), :, -1] = 0
    file = io.BytesIO()
    Pose(header, NumPyPoseBody(fps, data.astype(np.float32), confidence)).write(file)
    return file.getvalue()


def index_of(*rows):
    """The content of an index: path, language and word of each clip."""
    head = "path,spoken_language,signed_language,start,end,words,glosses,priority\n"
    return (head + "".join(f"{p},xx,{lang},0,1,{w},{w},0\n" for p, lang, w in rows)).encode()


def wheel(path, files):
    """Write a wheel with these files in the folder of the clips."""
    with ZipFile(path, "w") as archive:
        archive.writestr("spoken_to_signed/__init__.py", "")
        for name, content in reversed(files.items()):
            archive.writestr(f"spoken_to_signed/assets/fingerspelling_lexicon/{name}", content)
        archive.writestr("spoken_to_signed/assets/fingerspelling_lexicon/README.md", "more")
    return path


def expect(monkeypatch, path, files):
    """Let this wheel be the one that was used."""
    content = path.read_bytes()
    clips = b"".join(content for _, content in sorted(files.items()))
    monkeypatch.setattr(spelling, "WHEEL_SIZE", len(content))
    monkeypatch.setattr(spelling, "WHEEL_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(spelling, "CLIPS_SHA256", hashlib.sha256(clips).hexdigest())
