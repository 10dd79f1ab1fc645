"""Prepares a cache in a process of its own, to be killed."""

import sys
from pathlib import Path

from xopt.datasets import open_source, prepare

if __name__ == "__main__":
    made = prepare(open_source(sys.argv[1]), Path(sys.argv[2]), size=64, workers=1)
    print(made.decoded)
