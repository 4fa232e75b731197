"""Reads the whole disk of an image with libqcow: IMAGE OUTPUT."""
import sys

import pyqcow

image = pyqcow.file()
image.open(sys.argv[1])
with open(sys.argv[2], "wb") as output:
    while data := image.read_buffer(1 << 20):
        output.write(data)
image.close()
