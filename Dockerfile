# One image for all parts: `croupier serve`, `sync`, `export`, `migrate` and every other command.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY pyproject.toml requirements.lock ./
COPY ops/container/locked.py ops/container/locked.py
# What production needs, as it is locked: wheels only, each checked by its hash.
RUN python -m venv /opt/croupier && python -m venv /opt/build \
 && python ops/container/locked.py --project > /tmp/project.txt \
 && python ops/container/locked.py hatchling > /tmp/build.txt \
 && /opt/croupier/bin/pip install --require-hashes --only-binary :all: --no-deps -r /tmp/project.txt \
 && /opt/build/bin/pip install --require-hashes --only-binary :all: --no-deps -r /tmp/build.txt
COPY README.md LICENSE ./
COPY engine engine
COPY lua lua
COPY http http
COPY sync sync
COPY schemas schemas
COPY cli cli
COPY client client
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheels . \
 && /opt/croupier/bin/pip install --no-deps --no-index /tmp/wheels/*.whl \
 && /opt/croupier/bin/python -m compileall -q /opt/croupier/lib \
 && /opt/croupier/bin/python -m pip uninstall --quiet --yes setuptools pip

FROM python:3.11.14-slim-bookworm
COPY --from=build /opt/croupier /opt/croupier
COPY ops/container/healthy.py /opt/croupier/healthy.py
ENV PATH=/opt/croupier/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001
ENTRYPOINT ["croupier"]
CMD ["serve"]
