#!/usr/bin/env bash
# A good guess: OpenStack's image inspector calls an empty image, as qemu-img makes it, safe whatever its options.
# What happens: with extended_l2=on (QEMU 5.2, 2020) the check of features fails: the inspector knows the incompatible
#   features up to bit 3, and takes bit 4 for unknown. So such an image is refused where this check is enforced.
# Seen with: oslo.utils 10.2.0. Needs python3 and qemu-img.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'oslo.utils[image-inspection]==10.2.0'
cat > "$folder/ask.py" <<'PY'
import sys
from oslo_utils.imageutils import format_inspector
inspector = format_inspector.detect_file_format(sys.argv[1])
try:
    inspector.safety_check()
    print("safe")
except format_inspector.SafetyCheckFailed as failed:
    print("; ".join(f"{name}: {why}" for name, why in failed.failures.items()))
PY
echo "oslo.utils 10.2.0, $(qemu-img --version | head -1)"
status=0
expect() { # OPTION WORDS
    rm -f "$folder/image"
    qemu-img create -q -f qcow2 -o "$1" "$folder/image" 64M
    qemu-img check -q "$folder/image"
    said=$("$folder/venv/bin/python" "$folder/ask.py" "$folder/image")
    echo "  $1: $said"
    [ "$said" = "$2" ] || { echo "  CHANGED: it was $2"; status=1; }
}
expect compat=1.1 safe
expect compression_type=zstd safe
expect extended_l2=on "unknown_features: Unknown QCOW2 features found"
exit $status
