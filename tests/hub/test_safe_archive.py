"""Archives that strangers made: each is refused, and nothing lies outside of the folder afterwards."""

import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from espnet_jst.errors import CheckpointError
from espnet_jst.hub import safe_archive
from espnet_jst.hub.safe_archive import extract, unpack_to_cache

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")


def named(*names: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("meta.yaml", "files: {}")
            for name in names:
                info = zipfile.ZipInfo("placeholder")
                info.filename = name  # as it is: the constructor would tidy it up
                archive.writestr(info, "canary")

    return make


def special(kind: int, name: str = "model.pth", content: str = "../../canary") -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = (kind | 0o777) << 16
            archive.writestr(info, content)

    return make


def patched(old: bytes, new: bytes, count: int = -1) -> Callable[[Path], None]:
    """A sound archive with some bytes exchanged."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("aaaa.txt", b"some text that deflate can pack, " * 40)
            archive.writestr("bbbb.txt", b"other text", zipfile.ZIP_STORED)
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, count))

    return make


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.bin", bytes(20 * 2**20))


def bomb_beside_noise(path: Path) -> None:
    bomb(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("noise.bin", bytes(range(256)) * 1000)


def many_small_bombs(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number}.bin", bytes(2**20))


def huge(path: Path) -> None:
    """Nine gibibytes declared, with a plausible ratio."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"x" * 1000)
        info = archive.infolist()[0]
        info.file_size, info.compress_size = 9 * 2**30, 2**30


def crowded(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(safe_archive.MAX_MEMBERS + 1):
            archive.writestr(str(number), b"")


def declared(length: int) -> Callable[[Path], None]:
    """A thousand bytes that are declared to be more or fewer."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", b"0123456789" * 100)
            archive.infolist()[0].file_size = length

    return make


def overlapping(path: Path) -> None:
    """Two names for the same packed bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.bin", b"x" * 100)
        archive.writestr("b.bin", b"y" * 100)
        first, second = archive.infolist()
        second.header_offset = first.header_offset
        second.CRC = first.CRC


def cut_off(path: Path) -> None:
    named("model.pth")(path)
    path.write_bytes(path.read_bytes()[:-30])


def other_name_inside(path: Path) -> None:
    """The directory says one name, the member's own header another."""
    named("model.pth")(path)
    path.write_bytes(path.read_bytes().replace(b"model.pth", b"../../etc", 1))


def encrypted(path: Path) -> None:
    named("model.pth")(path)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<H", data, at + 8, 1)
    path.write_bytes(bytes(data))


def other_compression(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("model.pth", b"data")


def tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("../canary")
        info.size = 6
        archive.addfile(info, io.BytesIO(b"canary"))


def begun_at(offset: int) -> Callable[[Path], object]:
    """A member that begins, says the directory, at a place of 64 bits."""

    def make(path: Path) -> None:
        named("a")(path)
        data = path.read_bytes()
        central, own, end = data.index(b"PK\1\2"), data.rindex(b"PK\1\2"), data.index(b"PK\5\6")
        extra = struct.pack("<HHQ", 1, 8, offset)
        entry = bytearray(data[own:end])
        entry[30:32], entry[42:46] = struct.pack("<H", len(extra)), b"\xff" * 4
        last = bytearray(data[end:])
        last[12:16] = struct.pack("<I", end - central + len(extra))
        path.write_bytes(data[:own] + entry + extra + last)

    return make


def listed_often(path: Path) -> None:
    """One member that the directory lists a million times: 47 MB that would take 400."""
    named("a")(path)
    data = path.read_bytes()
    central, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    directory, count = data[central:end] * 10**6, 10**6
    wide = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), central)
    place = struct.pack("<4sIQI", b"PK\6\7", 0, central + len(directory), 1)
    last = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    path.write_bytes(data[:central] + directory + wide + place + last)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "parent folder": (named("../canary"), "empty part"),
    "parent folder twice": (named("../../canary"), "empty part"),
    "parent folder inside": (named("images/../../canary"), "empty part"),
    "parent folder at the end": (named("images/.."), "empty part"),
    "absolute": (named("/canary"), "absolute"),
    "drive": (named("C:/canary"), "colon"),
    "drive without a slash": (named("C:canary"), "colon"),
    "alternate stream": (named("model.pth:canary"), "colon"),
    "backslash parent": (named("..\\..\\canary"), "backslash"),
    "network share": (named("\\\\server\\share\\canary"), "backslash"),
    "double slash": (named("images//canary"), "empty part"),
    "dot": (named("./canary"), "empty part"),
    "empty name": (named(""), "is empty"),
    "NUL in a name": (patched(b"bbbb.txt", b"bb\x00b.txt"), "not plain"),
    "control character": (named("a\nb"), "control character"),
    "reserved name": (named("images/NUL.png"), "reserved"),
    "trailing dot": (named("model.pth."), "reserved"),
    "over-long name": (named("a" * 300), "too long"),
    "over-deep name": (named("a/" * 30 + "b"), "too deep"),
    "symbolic link": (special(stat.S_IFLNK), "link"),
    "symbolic link to the root": (special(stat.S_IFLNK, content="/"), "link"),
    "character device": (special(stat.S_IFCHR), "device"),
    "block device": (special(stat.S_IFBLK), "device"),
    "named pipe": (special(stat.S_IFIFO), "special file"),
    "socket": (special(stat.S_IFSOCK), "special file"),
    "folder that is a link": (special(stat.S_IFLNK, name="images/", content=""), "link"),
    "duplicate": (named("model.pth", "model.pth"), "twice"),
    "duplicate in another case": (named("model.pth", "MODEL.pth"), "twice"),
    "duplicate in another form": (named("m\u00f6del.pth", "mo\u0308del.pth"), "twice"),
    "duplicate in another width": (named("model.pth", "\uff4dodel.pth"), "twice"),
    "duplicate with a long s": (named("files.txt", "file\u017f.txt"), "twice"),
    "folders in another case": (named("images/a.png", "Images/b.png"), "twice"),
    "folder in the case of a file": (named("model.pth", "MODEL.pth/canary"), "twice|inside another file"),
    "invisible character": (named("model\u200b.pth"), "invisible"),
    "reversed direction": (named("model\u202ehtp.exe"), "invisible"),
    "line separator": (named("model\u2028.pth"), "invisible"),
    "reserved name in another width": (named("com\u00b9.txt"), "reserved"),
    "reserved console": (named("images/CONIN$"), "reserved"),
    "trailing blank": (named("model.pth "), "reserved"),
    "leading blank": (named(" model.pth"), "reserved"),
    "forbidden character": (named("model?.pth"), "has one of"),
    "file inside a file": (named("model.pth", "model.pth/canary"), "inside another file"),
    "name that differs by what is not drawn": (named("model.pth", "model\ufe0f.pth"), "invisible"),
    "name of a filler": (named("\u3164"), "invisible"),
    "members past what can be counted": (listed_often, "directory"),
    "begin past the end": (begun_at(2**31), "behind"),
    "begin past what a file can have": (begun_at(2**63), "behind"),
    "folder with data": (named("folder/"), "holds data"),
    "too many members": (crowded, "more than 2000"),
    "too large": (huge, "more than 8589934592"),
    "bomb": (bomb, "bomb"),
    "bomb beside noise": (bomb_beside_noise, "bomb"),
    "bomb in small pieces": (many_small_bombs, "bomb"),
    "longer than declared": (declared(10), "CRC"),
    "shorter than declared": (declared(2000), "not as long as declared"),
    "overlapping members": (overlapping, "overlaps"),
    "cut off": (cut_off, "not a zip"),
    "damaged bytes": (patched(b"other text", b"OTHER text"), "CRC"),
    "another name inside": (other_name_inside, "differ"),
    "encrypted": (encrypted, "encrypted"),
    "unknown compression": (other_compression, "compression method"),
    "not a zip": (lambda path: path.write_bytes(b"not a zip at all"), "not a zip"),
    "empty file": (lambda path: path.write_bytes(b""), "not a zip"),
    "tar": (tar, "not a zip"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_and_writes_nothing_outside(kind: str, tmp_path: Path) -> None:
    archive = tmp_path / "deep" / "in" / "here" / "hostile.zip"
    archive.parent.mkdir(parents=True)
    make, reason = HOSTILE[kind]
    make(archive)
    inside = archive.parent / "unpacked"
    with pytest.raises(CheckpointError, match=rf"hostile\.zip.*{reason}"):
        extract(archive, inside)
    left = {path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(inside)}
    assert left == {archive}
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert not Path("/canary").exists()


@pytest.mark.parametrize("kind", ["parent folder", "symbolic link", "damaged bytes", "longer than declared"])
def test_a_refused_archive_leaves_no_folder_in_the_cache(kind: str, tmp_path: Path) -> None:
    HOSTILE[kind][0](tmp_path / "hostile.zip")
    with pytest.raises(CheckpointError):
        unpack_to_cache(tmp_path / "hostile.zip", tmp_path / "cache")
    assert list((tmp_path / "cache" / "packs").iterdir()) == []


def test_a_sound_archive_comes_out_as_it_went_in(tmp_path: Path) -> None:
    content = {"meta.yaml": b"files: {}", "images/loss curve.png": bytes(range(256)) * 100, "deutsch/Äpfel.txt": b""}
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images/", b"")
        for name, data in content.items():
            archive.writestr(name, data)
    written = extract(tmp_path / "a.zip", tmp_path / "out")
    assert {path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in written} == content


def test_permission_bits_of_an_archive_are_not_taken_over(tmp_path: Path) -> None:
    special(stat.S_IFREG | stat.S_ISUID, name="tool", content="x")(tmp_path / "a.zip")
    (written,) = extract(tmp_path / "a.zip", tmp_path / "out")
    assert written.stat().st_mode & (stat.S_ISUID | 0o111) == 0


def test_the_cache_unpacks_once_and_by_content(tmp_path: Path) -> None:
    named("model.pth")(tmp_path / "a.zip")
    first = unpack_to_cache(tmp_path / "a.zip", tmp_path / "cache")
    stamp = (first / "model.pth").stat().st_mtime_ns
    (tmp_path / "a.zip").rename(tmp_path / "renamed.zip")
    assert unpack_to_cache(tmp_path / "renamed.zip", tmp_path / "cache") == first
    assert (first / "model.pth").stat().st_mtime_ns == stamp
    named("other.pth")(tmp_path / "a.zip")
    assert unpack_to_cache(tmp_path / "a.zip", tmp_path / "cache") != first
    assert len(list((tmp_path / "cache" / "packs").iterdir())) == 2
