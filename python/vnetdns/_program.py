"""Finds the program."""

import os
import shutil
import sysconfig
from pathlib import Path


class NotFound(FileNotFoundError):
    """There is no program `vnetdns` where it is looked for."""


def find_program() -> Path:
    """The program: what VNETDNS_BIN names, else the one that came with this package, one in PATH, or one built in a checkout
    around this package or the current folder."""
    named = os.environ.get("VNETDNS_BIN")
    if named:
        if not os.access(named, os.X_OK) or os.path.isdir(named):
            raise NotFound(f"VNETDNS_BIN={named} is not a program: name the file vnetdns")
        return Path(named).absolute()
    installed = Path(sysconfig.get_path("scripts"), "vnetdns")
    if installed.is_file():
        return installed
    found = shutil.which("vnetdns")
    if found:
        return Path(found).absolute()
    for folder in [Path(__file__).resolve().parents[2], *[Path.cwd(), *Path.cwd().parents]]:
        if (folder / "Cargo.toml").is_file():
            for profile in ["release", "debug"]:
                built = folder / "target" / profile / "vnetdns"
                if built.is_file():
                    return built
    raise NotFound("there is no program vnetdns: put it in PATH, or name it in VNETDNS_BIN")
