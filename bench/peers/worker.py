#!/usr/bin/env python3
"""What run.py starts in a peer's environment: worker.py prepare|measure|packages PEER JOB OUT, files of JSON.
A failure is {"error": the reason}: a row of the table, not the end of the run."""
import json
import pathlib
import sys

import peers


def main(action, peer, job, out):
    module = peers.PEERS[peer]
    try:
        result = module.packages() if action == "packages" else getattr(module, action)(json.loads(pathlib.Path(job).read_text()))
    except Exception as error:  # whatever a peer throws is its reason
        lines = str(error).strip().splitlines()
        result = {"error": lines[-1] if lines else type(error).__name__}
    pathlib.Path(out).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
