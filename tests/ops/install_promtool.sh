#!/bin/sh
# Fetches promtool for tests/ops out of Debian's package, where there is none yet: unpacked into this user's cache, so
# that nothing is installed, no service starts, and no root is needed. Without it the other tests can run: those of the
# rules say by themselves that they were skipped. With the argument `prometheus` it fetches the server, which draws the
# pictures of the dashboards, out of the same package.
set -u
program="${1:-promtool}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/croupier"
if command -v "$program" >/dev/null || [ -x "$cache/$program" ]; then
    exit 0
fi
say() { echo "No $program here, and $1: what needs it will be skipped." >&2; exit 0; }
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || say "no apt-get to fetch it with"
work=$(mktemp -d) || say "no room for it"
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 0
fetch() { apt-get download -qq prometheus >/dev/null 2>&1; }
# The lists of packages may be empty or old; only root may fetch them.
fetch || { [ "$(id -u)" -eq 0 ] && apt-get update -qq >/dev/null 2>&1 && fetch; } || say "it could not be fetched"
dpkg-deb -x prometheus_*.deb . && mkdir -p "$cache" && mv "usr/bin/$program" "$cache/$program" || say "it could not be unpacked"
