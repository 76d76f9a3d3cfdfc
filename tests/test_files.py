"""Files and folders appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path

import pytest

from cmr_synth.errors import InputError
from cmr_synth.files import sha256, walk, write_file, write_folder


def hidden(folder):
    """What a failed write may have left behind."""
    return [p.name for p in folder.iterdir() if p.name.startswith(".partial")]


def test_a_file_appears_at_the_end(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with write_file(path) as temporary:
        temporary.write_text("done")
        assert not path.exists() and temporary.parent == path.parent
    assert path.read_text() == "done" and hidden(path.parent) == []


@pytest.mark.parametrize(("name", "ending"), [("a.nii.gz", ".nii.gz"), ("b.c.png", ".png")])
def test_the_temporary_name_ends_alike(name, ending, tmp_path):
    with write_file(tmp_path / name) as temporary:
        assert temporary.name.endswith(ending)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_file_leaves_the_old_one(error, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), write_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old" and hidden(tmp_path) == []


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "set"
    for text in ("old", "new"):
        with write_folder(path, replaces="old") as temporary:
            (temporary / text).write_text(text)
    assert [p.name for p in path.iterdir()] == ["new"] and hidden(tmp_path) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_folder_leaves_the_old_one(error, tmp_path):
    path = tmp_path / "set"
    with write_folder(path) as temporary:
        (temporary / "a").write_text("old")
    with pytest.raises(error), write_folder(path, replaces="a") as temporary:
        (temporary / "a").write_text("half")
        raise error
    assert (path / "a").read_text() == "old" and hidden(tmp_path) == []


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_file_where_a_folder_should_be_is_one_line(write, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written \(.*\); choose another folder"):
        with write(tmp_path / "file" / "a"):
            pass


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_full_disk_is_one_line(write, tmp_path):
    with pytest.raises(InputError, match=r"a: cannot be written \(No space left on device\)"):
        with write(tmp_path / "a"):
            raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        with write_file(tmp_path / "a"):
            pass
        with write_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750


def test_sha256(tmp_path):
    data = bytes(range(256)) * 5000  # more than one block
    (tmp_path / "a").write_bytes(data)
    assert sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("marker", [None, "state.json"])
def test_a_folder_of_something_else_is_not_replaced(marker, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(InputError, match="thesis: holds other files, which are not replaced"):
        with write_folder(tmp_path / "thesis", replaces=marker):
            pytest.fail("asked too late")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"
    assert hidden(tmp_path) == []


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "a").mkdir()
    with write_folder(tmp_path / "a") as temporary:
        (temporary / "b").write_text("")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b"]


def test_a_file_is_not_replaced_by_a_folder(tmp_path):
    (tmp_path / "a").write_text("kept")
    with pytest.raises(InputError, match="a: is a file; choose another name"):
        with write_folder(tmp_path / "a", replaces="b"):
            pytest.fail("asked too late")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "kept"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_swap_cut_short_brings_the_old_folder_back(error, tmp_path, monkeypatch):
    """The worst moment: the old folder has left its place, the new one is not there yet."""
    path = tmp_path / "set"
    with write_folder(path) as temporary:
        (temporary / "a").write_text("old")
    rename = Path.replace

    def cut_short(self, target):
        if self.name.startswith(".partial") and not self.name.endswith("-old"):
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", cut_short)
    with pytest.raises((KeyboardInterrupt, InputError)):
        with write_folder(path, replaces="a") as temporary:
            (temporary / "a").write_text("new")
    assert (path / "a").read_text() == "old" and hidden(tmp_path) == []


@pytest.fixture
def tree(tmp_path):
    """A folder with a file, a hidden one, a subfolder; and another folder beside it."""
    for name in ("top/b/2", "top/a", "top/.hidden", "beside/1"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def walked(tree, **options):
    found = walk(tree / "top", **options)
    return [p.relative_to(tree / "top").as_posix() for p in found.files], found.left_out


def test_a_walk_finds_all_files_in_order(tree):
    assert walked(tree) == (["a", "b/2"], ())
    assert walked(tree, hidden=True) == ([".hidden", "a", "b/2"], ())
    with pytest.raises(InputError, match="nothing: cannot be read"):
        walk(tree / "nothing")


def test_a_walk_follows_links_once(tree):
    (tree / "top" / "c").symlink_to(tree / "beside")
    (tree / "top" / "d").symlink_to(tree / "beside" / "1")
    (tree / "top" / "e").symlink_to(tree / "top" / "b")  # is walked anyway
    assert walked(tree) == (["a", "b/2", "c/1", "d"], ())


def test_a_walk_names_what_it_does_not_follow(tree):
    (tree / "beside" / "back").symlink_to(tree / "top")
    (tree / "top" / "c").symlink_to(tree / "beside")
    (tree / "top" / "circle").symlink_to(tree)
    (tree / "top" / "gone").symlink_to(tree / "nothing")
    files, left_out = walked(tree)
    assert files == ["a", "b/2", "c/1"]
    assert "circle: is a link to a folder above it" in left_out[0]
    assert "gone: is a link to" in left_out[1] and "is not there" in left_out[1]


def test_a_walk_stays_inside_an_archive(tree):
    (tree / "top" / "c").symlink_to(tree / "beside")
    (tree / "top" / "d").symlink_to(tree / "beside" / "1")
    files, left_out = walked(tree, inside=tree / "top")
    assert files == ["a", "b/2"] and len(left_out) == 2
    assert all("leads out of the archive" in line for line in left_out)
