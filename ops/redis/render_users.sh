#!/bin/sh
# Prints users.acl with the hashes of REDIS_PASSWORD and REDIS_ADMIN_PASSWORD in it. Redis and Valkey read the result
# with --aclfile; the passwords themselves are in no file.
set -eu
: "${REDIS_PASSWORD:?}" "${REDIS_ADMIN_PASSWORD:?}"

sha256() {
  printf %s "$1" | sha256sum | cut -c 1-64
}

sed "s/SHA256_OF_REDIS_PASSWORD/$(sha256 "$REDIS_PASSWORD")/
s/SHA256_OF_REDIS_ADMIN_PASSWORD/$(sha256 "$REDIS_ADMIN_PASSWORD")/" "$(dirname "$0")/users.acl"
