"""Puts into a wheel what stands beside the package in the repository; ``harness/core/data_files.py`` finds it there."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDERS = ("apiserver", "platforms", "scenarios/sequences", "scenarios/modules", "firmware/apps/src")


class BuildWithFolders(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for folder in FOLDERS:
                self.copy_tree(folder, str(Path(self.build_lib, "harness", "data", folder)))


setup(cmdclass={"build_py": BuildWithFolders})
