"""Builds the package (PEP 517): a wheel, with the program within where VNETDNS_BIN names one.

A wheel with a program is for the system that the program is for: VNETDNS_WHEEL_PLATFORM has the tag, such as
manylinux_2_17_x86_64.
"""

import base64
import hashlib
import io
import os
import stat
import tarfile
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LICENCES = ["LICENSE-MIT", "LICENSE-APACHE"]
# The earliest time that a ZIP file can tell: the same sources make the same octets.
EPOCH = (1980, 1, 1, 0, 0, 0)


def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_sdist = get_requires_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project = _project()
    # A development build has no place in a package: the variable that names a program for tests must come with a platform.
    platform = os.environ.get("VNETDNS_WHEEL_PLATFORM")
    base = f"{project['name']}-{project['version']}"
    tag = f"py3-none-{platform or 'any'}"
    files = {path.relative_to(HERE).as_posix(): path.read_bytes() for path in sorted((HERE / "vnetdns").glob("*.py"))}
    info = f"{base}.dist-info"
    if platform:
        files[f"{base}.data/scripts/vnetdns"] = Path(os.environ["VNETDNS_BIN"]).read_bytes()
    for licence in _licences():
        files[f"{info}/licenses/{licence.name}"] = licence.read_bytes()
    files[f"{info}/METADATA"] = _metadata(project)
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: vnetdns\nRoot-Is-Purelib: {str(not platform).lower()}\nTag: {tag}\n".encode()
    files[f"{info}/entry_points.txt"] = _entry_points(project)
    record = "".join(f"{name},sha256={_digest(octets)},{len(octets)}\n" for name, octets in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    name = f"{base}-{tag}.whl"
    with zipfile.ZipFile(Path(wheel_directory, name), "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, octets in files.items():
            entry = zipfile.ZipInfo(path, EPOCH)
            mode = 0o755 if "/scripts/" in path else 0o644
            entry.external_attr = (stat.S_IFREG | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, octets)
    return name


def build_sdist(sdist_directory, config_settings=None):
    project = _project()
    base = f"{project['name']}-{project['version']}"
    paths = [HERE / "pyproject.toml", HERE / "backend.py", HERE / "README.md"]
    paths += sorted((HERE / "vnetdns").glob("*.py")) + sorted((HERE / "tests").glob("*.py"))
    files = {path.relative_to(HERE).as_posix(): path.read_bytes() for path in paths}
    files |= {licence.name: licence.read_bytes() for licence in _licences()}
    files["PKG-INFO"] = _metadata(project)
    name = f"{base}.tar.gz"
    with tarfile.open(Path(sdist_directory, name), "w:gz") as sdist:
        for path, octets in files.items():
            entry = tarfile.TarInfo(f"{base}/{path}")
            entry.size, entry.mode = len(octets), 0o644
            sdist.addfile(entry, io.BytesIO(octets))
    return name


def _project():
    return tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _licences():
    """Beside this file in a source package, in the folder above in a checkout."""
    return [next(path for path in (HERE / name, HERE.parent / name) if path.is_file()) for name in LICENCES]


def _metadata(project):
    lines = ["Metadata-Version: 2.4"]
    lines += [f"Name: {project['name']}", f"Version: {project['version']}", f"Summary: {project['description']}"]
    lines += [f"Requires-Python: {project['requires-python']}", f"License-Expression: {project['license']}"]
    lines += [f"License-File: {name}" for name in LICENCES]
    lines += [f"Keywords: {','.join(project['keywords'])}"]
    lines += [f"Classifier: {classifier}" for classifier in project["classifiers"]]
    for extra, requirements in project["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}"]
        lines += [f"Requires-Dist: {requirement} ; extra == '{extra}'" for requirement in requirements]
    lines += ["Description-Content-Type: text/markdown", "", (HERE / "README.md").read_text(encoding="utf-8")]
    return "\n".join(lines).encode()


def _entry_points(project):
    groups = project["entry-points"].items()
    return "".join(f"[{group}]\n" + "".join(f"{name} = {of}\n" for name, of in points.items()) for group, points in groups).encode()


def _digest(octets):
    return base64.urlsafe_b64encode(hashlib.sha256(octets).digest()).rstrip(b"=").decode()
