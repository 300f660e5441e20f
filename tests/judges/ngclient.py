#!/usr/bin/env python3
"""python-tuf's own client, unchanged, against a served repository.

usage: ngclient.py BASE_URL ROOT_FILE MEMORY TARGET...
       ngclient.py --loop    # the same for each line of JSON on stdin: base, root, memory, targets

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


class NotFound(Exception):
    pass


def visit(base: str, root: str, memory: str, targets: list[str]) -> dict:
    """Verifies what is served at BASE, and downloads the targets."""
    base, kept = base.rstrip("/"), pathlib.Path(memory)
    with tempfile.TemporaryDirectory() as folder:
        files = pathlib.Path(folder, "targets")
        kept.mkdir(exist_ok=True)
        files.mkdir()
        updater = Updater(
            metadata_dir=str(kept),
            metadata_base_url=f"{base}/metadata/",
            target_dir=str(files),
            target_base_url=f"{base}/targets/",
            bootstrap=pathlib.Path(root).read_bytes(),
        )
        updater.refresh()
        found = {}
        for name in targets:
            info = updater.get_targetinfo(name)
            if info is None:
                raise NotFound(f"`{name}` is not found")
            data = pathlib.Path(updater.download_target(info)).read_bytes()
            found[name] = {"sha256": hashlib.sha256(data).hexdigest(), "length": len(data)}
    return found


def loop() -> int:
    for line in sys.stdin:
        try:
            answer = visit(**json.loads(line))
        except Exception as error:  # whatever it is, it is the judge's verdict
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    return 0


def main() -> int:
    if sys.argv[1:] == ["--loop"]:
        return loop()
    if len(sys.argv) < 5:
        print(__doc__, file=sys.stderr)
        return 2
    base, root, memory, *targets = sys.argv[1:]
    try:
        found = visit(base, root, memory, targets)
    except NotFound as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
