#!/bin/sh
# Puts the release that lies in dist/ into a slot, in place of what was there: install_release.sh /opt/croupier/blue
set -eu
slot=$1
if pgrep -f "^$slot/bin/python" > /dev/null; then
  echo "install_release.sh: $slot is in use: stop its units first, or take the other slot" >&2
  exit 1
fi
python3 -m venv --clear --without-pip "$slot"
pip() { python3 -m pip --python "$slot/bin/python" --disable-pip-version-check --quiet "$@"; }
pip install --require-hashes --only-binary :all: --no-deps -r dist/requirements.txt
pip install --no-deps --no-index dist/croupier-*.whl
"$slot/bin/croupier" --version
