"""python -m xopt."""

from .cli import main

# Workers of an MPI program import the module that was started, under another name.
if __name__ == "__main__":
    main()
