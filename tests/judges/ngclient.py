#!/usr/bin/env python3
"""python-tuf's own client, unchanged, against a served repository.

usage: ngclient.py BASE_URL ROOT_FILE MEMORY TARGET...

BASE_URL is where `metadata/` and `targets/` are, such as http://127.0.0.1:8080/tuf. Trusts ROOT_FILE,
refreshes, and downloads each target. What it learns stays in the folder MEMORY, as it would on a
cluster, so that the next run with the same one refuses whatever went back since. Prints one line of JSON with the digest and length of each.
Needs the packages `tuf` (7.x) and `cryptography`.
"""

import hashlib
import json
import pathlib
import sys
import tempfile

from tuf.ngclient import Updater


def main() -> int:
    if len(sys.argv) < 5:
        print(__doc__, file=sys.stderr)
        return 2
    base, root, memory = sys.argv[1].rstrip("/"), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        files = pathlib.Path(folder, "targets")
        memory.mkdir(exist_ok=True)
        files.mkdir()
        updater = Updater(
            metadata_dir=str(memory),
            metadata_base_url=f"{base}/metadata/",
            target_dir=str(files),
            target_base_url=f"{base}/targets/",
            bootstrap=root.read_bytes(),
        )
        updater.refresh()
        found = {}
        for name in sys.argv[4:]:
            info = updater.get_targetinfo(name)
            if info is None:
                print(f"`{name}` is not found", file=sys.stderr)
                return 1
            data = pathlib.Path(updater.download_target(info)).read_bytes()
            found[name] = {"sha256": hashlib.sha256(data).hexdigest(), "length": len(data)}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
