"""Asks the image format inspector of oslo.utils whether an image is safe: IMAGE."""
import sys

from oslo_utils.imageutils import format_inspector

inspector = format_inspector.detect_file_format(sys.argv[1])
if str(inspector) != "qcow2":
    sys.exit(f"it is taken for {inspector}")
try:
    inspector.safety_check()
except format_inspector.SafetyCheckFailed as failed:
    sys.exit("; ".join(f"{name}: {why}" for name, why in failed.failures.items()))
print(inspector.virtual_size)
