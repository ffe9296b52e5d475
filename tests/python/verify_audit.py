"""A second verifier of the audit log, which shares nothing with the first but the specifications (RFC 6962,
C2SP signed-note, tlog-checkpoint, tlog-tiles).

    verify_audit.py FOLDER VKEY [OLD_CHECKPOINT]
    verify_audit.py FOLDER VKEY --changes FILE

Prints {"size", "root", "origin"} where all fits, else says what doesn't and exits 1. With --changes FILE has
lines of [path, byte, value]: each is made by itself, and "fits" or "misfit" is said of it.
"""

import base64
import hashlib
import json
import pathlib
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Misfit(Exception):
    pass


def leaf_hash(leaf):
    return hashlib.sha256(b"\0" + leaf).digest()


def root_of(hashes):
    """RFC 6962 2.1, by its words."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << ((len(hashes) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + root_of(hashes[:k]) + root_of(hashes[k:])).digest()


def checkpoint(note, vkey):
    name, key_id, material = vkey.split("+", 2)
    material = base64.b64decode(material, validate=True)
    if hashlib.sha256(name.encode() + b"\n" + material).digest()[:4].hex() != key_id or material[0] != 1:
        raise Misfit("the key's ID doesn't fit")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    if not signatures.endswith("\n"):
        raise Misfit("checkpoint: its end is missing")
    found = False
    for line in signatures[:-1].split("\n"):
        match = re.fullmatch("\u2014 ([^ +]+) ([A-Za-z0-9+/]+=*)", line)
        if not match:
            raise Misfit("checkpoint: a signature line is broken")
        signature = base64.b64decode(match[2], validate=True)
        if base64.b64encode(signature).decode() != match[2]:
            raise Misfit("checkpoint: a signature line is broken")
        if match[1] == name and signature[:4].hex() == key_id:
            try:
                Ed25519PublicKey.from_public_bytes(material[1:]).verify(signature[4:], text.encode())
            except InvalidSignature:
                raise Misfit("checkpoint: the signature doesn't hold") from None
            found = True
    lines = text.split("\n")
    if not found or len(lines) != 4 or lines[0] != name or str(int(lines[1])) != lines[1]:
        raise Misfit("checkpoint: it isn't signed by this key, or is none")
    return int(lines[1]), base64.b64decode(lines[2], validate=True)


def path_of(level, index, width):
    text = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        text = f"x{index % 1000:03}/{text}"
    return f"tile/{level}/{text}" + ("" if width == 256 else f".p/{width}")


class Folder:
    def __init__(self, root, change=None):
        self.root = root
        self.change = change
        self.files = {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()}
        self.seen = set()

    def read(self, path):
        if path not in self.files:
            return None
        self.seen.add(path)
        there = (self.root / path).read_bytes()
        if self.change and self.change[0] == path:
            _, at, value = self.change
            there = there[:at] + bytes([value]) + there[at + 1 :]
        return there

    def expect(self, level, index, width, parts):
        """A tile or bundle, and those of fewer leaves before it, are made of these parts."""
        there = False
        for smaller in range(1, width + 1):
            path = path_of(level, index, smaller)
            bytes_there = self.read(path)
            if bytes_there is None:
                continue
            if bytes_there != b"".join(parts[:smaller]):
                raise Misfit(f"{path}: it isn't what its leaves make")
            there = there or smaller == width
        if not there and width < 256 and self.read(path_of(level, index, 256)) is not None:
            there = True  # it became full after the checkpoint
        if not there:
            raise Misfit(f"{path_of(level, index, width)}: it isn't there")


def entries(bundle, path):
    parts, at = [], 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 + length > len(bundle):
            raise Misfit(f"{path}: byte {at}: an entry is cut off")
        parts.append(bundle[at : at + 2 + length])
        at += 2 + length
    return parts


def verify(root, vkey, old=None, change=None):
    folder = Folder(root, change)
    note = folder.read("checkpoint")
    if note is None:
        raise Misfit("checkpoint: it isn't there")
    size, signed = checkpoint(note.decode(), vkey)
    bundles = (size + 255) // 256
    first = 0
    while first < bundles and not any(
        path_of("entries", first, w) in folder.files for w in ([256, size % 256] if first == bundles - 1 else [256])
    ):
        first += 1
    # What isn't kept is known by the tiles above it.
    rows, minimum = {}, 0
    level, hidden = 0, first * 256
    while hidden:
        count = hidden >> (8 * level)
        if not count:
            break
        keep = count % 256
        row = []
        if keep:
            total = size >> (8 * level)
            index = count // 256
            width = min(256, total - index * 256)
            tile = folder.read(path_of(level, index, width)) or folder.read(path_of(level, index, 256))
            if tile is None:
                raise Misfit(f"{path_of(level, index, width)}: it isn't there")
            row = [tile[32 * n : 32 * n + 32] for n in range(keep)]
        rows[level] = (count // 256, row)
        level += 1
    for index in range(first, bundles):
        width = min(256, size - index * 256)
        path = path_of("entries", index, width)
        bundle = folder.read(path)
        if bundle is None and width < 256:
            path = path_of("entries", index, 256)
            bundle = folder.read(path)
        if bundle is None:
            raise Misfit(f"{path}: it isn't there")
        parts = entries(bundle, path)
        if len(parts) != width and (path == path_of("entries", index, width) or len(parts) < width):
            raise Misfit(f"{path}: it has {len(parts)} entries")
        parts = parts[:width]
        folder.expect("entries", index, width, parts)
        hashes = [leaf_hash(part[2:]) for part in parts]
        for part in parts:
            try:
                minimum = max(minimum, json.loads(part[2:]).get("minimum", 0))
            except (ValueError, AttributeError):
                pass
        # Up through the levels.
        carry, level = hashes, 0
        while True:
            at, row = rows.get(level, (index, []) if level == 0 else (0, []))
            row = row + carry
            if len(row) < 256:
                rows[level] = (at, row)
                break
            folder.expect(level, at, 256, row)
            rows[level] = (at + 1, [])
            carry, level = [root_of(row)], level + 1
    rest = []
    for level in sorted(rows):
        at, row = rows[level]
        if row:
            folder.expect(level, at, len(row), row)
        rest = [root_of(row + rest)] if row + rest else []
    if (rest[0] if rest else root_of([])) != signed:
        raise Misfit("the leaves don't come to the signed root")
    if minimum < first * 256:
        raise Misfit(f"{path_of('entries', minimum // 256, 256)}: it isn't there, and no leaf says that it isn't kept")
    for path in sorted(folder.files - folder.seen):
        match = re.fullmatch(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", path)
        if not match:
            raise Misfit(f"{path}: no such file is in a log")
        level = 0 if match[1] == "entries" else int(match[1])
        index = int(match[2].replace("x", "").replace("/", ""))
        end = (index * 256 + int(match[3] or 256)) << (8 * level)
        if end <= size and (index + 1) << (8 * level + 8) > first * 256:
            raise Misfit(f"{path}: nothing leads to it")
    if old is not None:
        old_size, old_root = checkpoint(old, vkey)
        if first > 0:
            raise Misfit("the beginning isn't kept: whether it continues the old checkpoint isn't checked here")
        else:
            leaves = []
            for index in range((old_size + 255) // 256):
                width = min(256, size - index * 256)
                bundle = folder.read(path_of("entries", index, width)) or folder.read(path_of("entries", index, 256))
                leaves += [leaf_hash(part[2:]) for part in entries(bundle, "")]
            if old_size > size or root_of(leaves[:old_size]) != old_root:
                raise Misfit("it isn't a continuation of the old checkpoint")
    return {"size": size, "root": base64.b64encode(signed).decode(), "origin": vkey.split("+")[0]}


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    if sys.argv[3:4] == ["--changes"]:
        for line in pathlib.Path(sys.argv[4]).read_text().splitlines():
            try:
                verify(pathlib.Path(sys.argv[1]), sys.argv[2], change=json.loads(line))
                print("fits")
            except (Misfit, ValueError, IndexError):
                print("misfit")
        sys.exit(0)
    try:
        before = pathlib.Path(sys.argv[3]).read_text() if len(sys.argv) > 3 else None
        print(json.dumps(verify(pathlib.Path(sys.argv[1]), sys.argv[2], before)))
    except (Misfit, ValueError, IndexError) as misfit:
        print(f"{misfit}", file=sys.stderr)
        sys.exit(1)
