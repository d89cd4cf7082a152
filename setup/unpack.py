"""Takes the shared libraries and their licences out of wheels, checked, into a folder.

unpack.py FOLDER WHEEL...

Each file is checked against the SHA-256 in its wheel's own list (the wheels were checked by pip), the ONNX Runtime
library is loaded once, and only then everything is moved into FOLDER; SHA256SUMS comes last, so where it stands the
rest stands too.
"""

import base64
import csv
import ctypes
import hashlib
import io
import os
import pathlib
import re
import sys
import tempfile
import zipfile

LIBRARY = re.compile(r".*/(capi|lib)/(lib[^/]+\.so[^/]*)")
# Parts that featbench never opens; the first wants TensorRT.
UNUSED = re.compile(r"libonnxruntime_providers_tensorrt\.so|lib(nvblas|cufftw)\.so.*|.*\.alt\.so.*")
LICENCE = re.compile(r"(?:[^/]+/)*(LICENSE|License|ThirdPartyNotices)(\.txt)?")
BLOCK = 1 << 20


def wanted(member, distribution):
    """The name under which a wheel's member is kept, or None."""
    if (library := LIBRARY.fullmatch(member)) and not UNUSED.fullmatch(library[2]):
        return library[2]
    if licence := LICENCE.fullmatch(member):
        return f"{licence[1].upper()}-{distribution}"
    return None


def copy(source, target):
    """Copies a stream into a file that will survive a power cut; the SHA-256 of what was written."""
    digest = hashlib.sha256()
    with open(target, "wb") as out:
        while block := source.read(BLOCK):
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return digest.digest()


def unpack(wheel, folder):
    """Writes the wanted members of one wheel into a folder; name and SHA-256 (hex) of each."""
    distribution = wheel.name.split("-")[0]
    with zipfile.ZipFile(wheel) as archive:
        record = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        listed = {row[0]: row[1] for row in csv.reader(io.TextIOWrapper(archive.open(record), "utf-8"))}
        for member in archive.namelist():
            if name := wanted(member, distribution):
                digest = copy(archive.open(member), folder / name)
                if listed[member] != "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("="):
                    raise ValueError(f"{name} is not what {wheel.name} lists")
                yield name, digest.hex()


def main(target, wheels):
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=target) as temporary:
        folder = pathlib.Path(temporary)
        sums = {name: digest for wheel in wheels for name, digest in unpack(wheel, folder)}
        runtimes = [name for name in sums if name.startswith("libonnxruntime.so.")]
        if len(runtimes) != 1:
            raise ValueError(f"found {len(runtimes)} ONNX Runtime libraries in {len(wheels)} wheels, not one")
        ctypes.CDLL(str(folder / runtimes[0])).OrtGetApiBase
        (folder / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))
        for name in [*sums, "SHA256SUMS"]:
            os.replace(folder / name, target / name)


if __name__ == "__main__":
    try:
        main(pathlib.Path(sys.argv[1]), [pathlib.Path(wheel) for wheel in sys.argv[2:]])
    except (OSError, AttributeError, ValueError, zipfile.BadZipFile) as error:
        sys.exit(f"unpacking failed: {error}")
