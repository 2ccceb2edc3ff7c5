"""Writes a folder as an OCI image (image-spec 1.1) in an archive that engines load, or unpacks one and prints how it runs.

    image.py FOLDER VERSION IMAGE.tar
    image.py --unpack IMAGE.tar FOLDER
"""

import gzip
import hashlib
import io
import json
import os
import shlex
import sys
import tarfile
import time
from pathlib import Path

USER = "65532:65532"
EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def main():
    if sys.argv[1] == "--unpack":
        unpack(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        write(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))


def write(folder, version, image):
    layer = layer_of(folder)
    packed = gzip.compress(layer, mtime=0)
    config = as_json(config_of(version, digest(layer)))
    blobs = {"config": config, "layer": packed}
    manifest = as_json({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described("application/vnd.oci.image.config.v1+json", blobs["config"]),
        "layers": [described("application/vnd.oci.image.layer.v1.tar+gzip", blobs["layer"])],
    })
    blobs["manifest"] = manifest
    name = {"org.opencontainers.image.ref.name": version, "io.containerd.image.name": f"docker.io/library/vnetdns:{version}"}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
             "manifests": [described(MANIFEST, manifest) | {"annotations": name}]}
    # Engines before OCI archives were known read this one (docker load).
    docker = [{"Config": blob_path(config), "RepoTags": [f"vnetdns:{version}"], "Layers": [blob_path(packed)]}]
    with tarfile.open(image, "w") as archive:
        add(archive, "oci-layout", as_json({"imageLayoutVersion": "1.0.0"}))
        add(archive, "index.json", as_json(index))
        add(archive, "manifest.json", as_json(docker))
        for blob in blobs.values():
            add(archive, blob_path(blob), blob)


def config_of(version, layer):
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))
    return {
        "created": created,
        "architecture": "amd64",
        "os": "linux",
        "config": {
            # By number, so that Kubernetes can tell that it is not root (runAsNonRoot).
            "User": USER,
            "ExposedPorts": {"5300/tcp": {}, "5300/udp": {}},
            "Entrypoint": ["/usr/bin/vnetdns"],
            "Cmd": ["serve", "--config", "/etc/vnetdns/vnetdns.toml"],
            # No part of the OCI's specification; Docker and Podman run it.
            "Healthcheck": {"Test": ["CMD", "/usr/bin/vnetdns", "health"], "Interval": 10_000_000_000, "Timeout": 5_000_000_000},
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": "vnetdns",
                "org.opencontainers.image.description": "A private DNS server that answers by the virtual network that asks",
                "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
                "org.opencontainers.image.version": version,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [layer]},
        "history": [{"created": created, "created_by": "deploy/packages/oci"}],
    }


def layer_of(folder):
    """A tar of a folder, the same for the same files."""
    octets = io.BytesIO()
    with tarfile.open(fileobj=octets, mode="w", format=tarfile.PAX_FORMAT) as layer:
        for path in sorted(folder.rglob("*")):
            entry = layer.gettarinfo(path, path.relative_to(folder).as_posix())
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = EPOCH
            with open(path, "rb") if entry.isfile() else io.BytesIO() as content:
                layer.addfile(entry, content if entry.isfile() else None)
    return octets.getvalue()


def unpack(image, root):
    """Checks every digest on the way, as an engine does."""
    with tarfile.open(image) as archive:
        blobs = {member.name: archive.extractfile(member).read() for member in archive.getmembers() if member.isfile()}
    index = json.loads(blobs["index.json"])
    manifest = json.loads(blob_of(blobs, index["manifests"][0]))
    config = json.loads(blob_of(blobs, manifest["config"]))
    for description, diff in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        layer = gzip.decompress(blob_of(blobs, description))
        if digest(layer) != diff:
            raise SystemExit(f"the layer is {digest(layer)}, the configuration has {diff}")
        with tarfile.open(fileobj=io.BytesIO(layer)) as files:
            files.extractall(root)
    run = config["config"]
    for name, value in {"user": run["User"], "entrypoint": shlex.join(run["Entrypoint"]), "command": shlex.join(run["Cmd"]),
                        "health": shlex.join(run["Healthcheck"]["Test"][1:])}.items():
        print(f"{name}={shlex.quote(value)}")


def blob_of(blobs, description):
    blob = blobs["blobs/" + description["digest"].replace(":", "/")]
    if len(blob) != description["size"] or digest(blob) != description["digest"]:
        raise SystemExit(f"the blob {description['digest']} is another one")
    return blob


def described(kind, blob):
    return {"mediaType": kind, "digest": digest(blob), "size": len(blob)}


def blob_path(blob):
    return "blobs/" + digest(blob).replace(":", "/")


def digest(octets):
    return "sha256:" + hashlib.sha256(octets).hexdigest()


def as_json(value):
    return json.dumps(value, separators=(",", ":")).encode()


def add(archive, name, octets):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(octets), EPOCH, 0o644
    archive.addfile(entry, io.BytesIO(octets))


if __name__ == "__main__":
    main()
