"""A wall clock that jumps while a process runs, as when somebody sets the machine's; monotonic time goes on as it did."""

import pathlib
import shutil
import struct
import subprocess

_SOURCE = pathlib.Path(__file__).resolve().parents[1] / "programs" / "clock_shift.c"
DAY = 86400.0


class WallClock:
    """`environment` makes processes read it; `shift(seconds)` sets it, counted from the true time."""

    def __init__(self, directory):
        compiler = shutil.which("clang-19") or shutil.which("cc")
        assert compiler, "no C compiler; scripts/setup installs one"
        library = pathlib.Path(directory) / "clock_shift.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)], check=True, timeout=60)
        self._file = pathlib.Path(directory) / "clock_shift"
        self.shift(0)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_SHIFT_FILE": str(self._file)}

    def shift(self, seconds):
        """In place: the processes have the file mapped."""
        with open(self._file, "r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("<q", int(seconds * 1e9)))
