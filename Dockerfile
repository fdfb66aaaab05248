# One image for every role: docker run careline run worker
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
# Faust has no wheel for Linux on aarch64: there its C extension is built here, and the compiler stays here.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY requirements/uv.txt requirements/build.txt requirements/runtime.txt requirements/
RUN python -m pip install --no-cache-dir --require-hashes -r requirements/uv.txt \
    && uv pip install --system --no-cache --require-hashes -r requirements/build.txt \
    && uv venv /opt/careline \
    && uv pip install --python /opt/careline/bin/python --no-cache --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY connectors connectors
COPY streams streams
COPY responders responders
COPY careline careline
RUN uv build --wheel --no-build-isolation --out-dir dist \
    && uv pip install --python /opt/careline/bin/python --no-cache --no-deps dist/*.whl

FROM python:3.11-slim-bookworm
# A volume that is mounted there for the first time takes over the owner.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin careline \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/careline
COPY --from=build /opt/careline /opt/careline
ENV PATH=/opt/careline/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp
# SIGTERM reaches the role itself, which then finishes what it holds and leaves within its drain budget.
STOPSIGNAL SIGTERM
ENTRYPOINT ["careline"]
CMD ["--help"]
