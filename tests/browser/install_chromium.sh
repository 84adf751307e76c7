#!/bin/sh
# Installs Debian's Chromium for tests/browser, where there is none yet and this machine allows it. Whatever happens,
# the other tests can run: those of the pages say by themselves that they were skipped.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "No Chromium here, and no right to install one: the tests of the pages will be skipped." >&2
    exit 0
fi
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; }
install || { apt-get update -qq && install; } || echo "Chromium could not be installed: the tests of the pages will be skipped." >&2
