"""``python -m harness.cli``: the command line, where its script is not in PATH."""

from harness.cli import main

if __name__ == "__main__":
    main()
