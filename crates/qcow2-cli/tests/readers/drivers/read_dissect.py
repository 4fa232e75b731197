"""Reads the whole disk of an image with dissect.hypervisor: IMAGE OUTPUT."""
import pathlib
import shutil
import sys

from dissect.hypervisor.disk.qcow2 import QCow2

with QCow2(pathlib.Path(sys.argv[1])).open() as disk, open(sys.argv[2], "wb") as output:
    shutil.copyfileobj(disk, output, 1 << 20)
